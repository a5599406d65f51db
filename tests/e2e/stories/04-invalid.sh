#!/usr/bin/env bash
# Bad input is refused at apply with a sentence that says what to write, or becomes a condition; the controller never
# restarts over it, and what was there goes on.
. "$(dirname "$0")/../lib.sh"
story_namespace invalid
before=$(controller_restarts)

# refused NAME JSON PATTERN
refused() {
    local out
    if out=$(policy "$1" "$2"); then fail "accepted: $2"; fi
    echo "  $out"
    expect_match "refusal of $2" "$out" "$3"
    ! kubectl -n "$NS" get neo4jbackup "$1" >/dev/null 2>&1 || fail "$1 is there all the same"
}
refused cron '{"schedule": "61 2 * * *"}' 'schedule'
refused cron-words '{"schedule": "every night"}' 'schedule'
refused zone-in-cron '{"schedule": "TZ=Europe/Berlin 0 2 * * *"}' 'timeZone'
refused uri '{"connection": {"uri": "http://neo4j:7474"}}' 'bolt://'
refused no-storage '{"storage": {"s3": null}}' 's3|r2'
refused both '{"storage": {"r2": {"bucket": "bb", "credentialsSecretRef": {"name": "c"}}}}' 's3|r2'
refused level '{"compressionLevel": 12}' 'compressionLevel is a number from 1 .fast. to 9 .small., or adaptive'
refused level '{"compressionLevel": "fastest"}' 'compressionLevel is a number from 1 .fast. to 9 .small., or adaptive'
refused verify-cron '{"verification": {"schedule": "61 2 * * *"}}' 'minute, the first field'
refused prefix '{"storage": {"s3": {"prefix": "../x"}}}' "no part of the prefix may be '.' or '..'"
refused days '{"retention": {"days": -1}}' 'retention.days'
refused minimum '{"retention": {"minimumSuccessful": 0}}' 'minimumSuccessful'
refused field '{"shedule": "0 2 * * *"}' 'unknown field "spec.shedule"'
refused a-name-that-is-much-longer-than-the-fifty-two-characters '{}' '52'
refused with.dot '{}' 'dot|name'

# What the schema cannot judge becomes a condition that says why.
policy never '{"schedule": "0 0 31 2 *"}'
wait_until 20 "an impossible date is seen" condition_is neo4jbackup never ScheduleValid "False InvalidSchedule"
expect_match "message" "$(condition_message neo4jbackup never ScheduleValid)" '0 0 31 2|never'
policy zone '{"timeZone": "Mars/Olympus"}'
wait_until 20 "an unknown zone is seen" condition_is neo4jbackup zone ScheduleValid "False UnknownTimeZone"
expect_match "message" "$(condition_message neo4jbackup zone ScheduleValid)" 'Mars/Olympus'
run_count_is never 0 && run_count_is zone 0 || fail "an invalid schedule ran"
policy zone '{"timeZone": "Europe/Berlin"}'
wait_until 20 "mended" condition_is neo4jbackup zone ScheduleValid "True Valid"
expect "restarts of the controller" "$(controller_restarts)" "$before"
story_done
