#ifndef NB_CYPHER_NUMBER_H
#define NB_CYPHER_NUMBER_H

/*
 * cyp_number: numbers as text, fast and exact.
 *
 * Floats get the shortest digits that read back to the same bits, the closest to the true value
 * where several are as short (Schubfach). The form is what Cypher's literals and toFloat() take:
 * 1.5, -0.0, 1.0E-7, 1.0E10; also NaN, Infinity, -Infinity.
 *
 * Source: R. Giulietti, "The Schubfach way to render doubles" (2021).
 * Thread: functions of their arguments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the writers below may touch; the text itself is shorter. */
enum { CYP_INT_MAX = 24, CYP_DOUBLE_MAX = 64, CYP_FLOAT_MAX = 40 };

/* No NUL; the end of the text is returned. */
char *cyp_int_write(char *p, int64_t v);
char *cyp_uint_write(char *p, uint64_t v);
char *cyp_double_write(char *p, double v);
/* The shortest digits among the floats (32 bits), not the doubles; they lead to the same float when
 * they are read as a double first (tried with all floats: one needs more digits for it). */
char *cyp_float_write(char *p, float v);

/* True when v is a float without loss; NaN and infinities are not (false). */
static inline bool cyp_is_float32(double v)
{
    float f = (float)v;
    double back = (double)f;

    return __builtin_memcmp(&back, &v, sizeof(v)) == 0 && v - v == 0.0;
}

/* Whole text; false if it is none. No blanks, no '+'. */
bool cyp_int_read(const char *p, size_t n, int64_t *ret);
bool cyp_double_read(const char *p, size_t n, double *ret);
bool cyp_float_read(const char *p, size_t n, float *ret);

#endif
