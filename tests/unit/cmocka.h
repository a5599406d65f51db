#ifndef NB_TESTS_UNIT_CMOCKA_H
#define NB_TESTS_UNIT_CMOCKA_H

/* cmocka.h wants these before it and does not include them itself. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
