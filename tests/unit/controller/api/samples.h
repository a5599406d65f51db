#ifndef NB_TESTS_API_SAMPLES_H
#define NB_TESTS_API_SAMPLES_H

/* Statuses with every field that the writers know. */

__attribute__((unused)) static const char status_json[] =
    "{\"observedGeneration\":3,\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
    "\"observedGeneration\":3,"
    "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"reason\":\"Succeeded\",\"message\":\"m\"}],"
    "\"active\":[\"r1\"],"
    "\"lastScheduleTime\":\"2026-01-01T00:00:00Z\",\"lastSuccessfulTime\":\"2026-01-01T00:01:00Z\","
    "\"lastFailureTime\":"
    "\"2025-01-01T00:01:00Z\",\"lastSkippedTime\":\"2025-01-02T00:01:00Z\",\"lastSkippedReason\":"
    "\"RunActive\","
    "\"scheduleChangeTime\":\"2025-01-03T00:01:00Z\",\"observedSchedule\":\"x\","
    "\"nextScheduleTime\":"
    "\"2026-01-02T00:00:00Z\",\"lastHandledRequest\":\"t\",\"lastHandledRefresh\":\"f\","
    "\"consecutiveFailures\":0,"
    "\"lastRunName\":\"r0\",\"lastBackupKey\":\"k\",\"lastSizeBytes\":5,\"lastSize\":\"5 "
    "B\",\"lastDurationSeconds\":9,"
    "\"destination\":\"r2://b/"
    "p\",\"lastVerificationTime\":\"2026-01-01T00:02:00Z\",\"lastVerificationScheduleTime\":"
    "\"2026-01-01T00:02:00Z\",\"verificationScheduleChangeTime\":\"2025-01-03T00:02:00Z\","
    "\"observedVerificationSchedule\":\"y\",\"nextVerificationTime\":\"2026-01-03T00:02:00Z\","
    "\"stored\":{"
    "\"count\":1,\"totalBytes\":2,"
    "\"oldestTime\":\"2025-01-01T00:00:00Z\",\"newestTime\":\"2026-01-01T00:00:00Z\","
    "\"estimatedMonthlyCostMicroUSD\":3},"
    "\"restorePoints\":[{\"database\":\"a\",\"time\":\"2026-01-01T00:00:00Z\",\"manifestKey\":"
    "\"k\",\"sizeBytes\":5,"
    "\"consistency\":\"Closed\",\"pinned\":false,\"verified\":true}],\"history\":[{\"runName\":"
    "\"r0\",\"trigger\":\"Manual\","
    "\"scheduledTime\":\"2026-01-01T00:00:00Z\",\"startTime\":\"2026-01-01T00:00:01Z\","
    "\"completionTime\":"
    "\"2026-01-01T00:01:00Z\",\"result\":\"Succeeded\",\"reason\":\"Succeeded\",\"sizeBytes\":5,"
    "\"durationSeconds\":9}],\"pendingNotifications\":[{\"id\":\"Failed-r0\",\"event\":\"Failed\","
    "\"reason\":\"BackupFailed\",\"message\":\"m\",\"runName\":\"r0\",\"time\":"
    "\"2026-01-01T00:01:00Z\",\"channels\":[\"ops\",\"dev\"]}]}";

__attribute__((unused)) static const char run_status_json[] =
    "{\"observedGeneration\":1,\"conditions\":[],\"startTime\":\"2026-01-01T00:00:00Z\","
    "\"completionTime\":"
    "\"2026-01-01T00:00:05Z\",\"durationSeconds\":5,\"duration\":\"5s\",\"jobRef\":{\"name\":\"j\","
    "\"uid\":\"ju\"},\"engine\":"
    "\"Cypher\",\"serverVersion\":\"5.26\",\"sizeBytes\":7,\"size\":\"7 "
    "B\",\"manifestKey\":\"m\",\"expiryTime\":"
    "\"2026-01-08T00:00:00Z\",\"result\":\"Partial\",\"pinned\":true,\"progress\":{\"stage\":"
    "\"Uploading\",\"database\":\"a\","
    "\"percent\":5,\"nodes\":1,\"relationships\":2,\"bytesExported\":3,\"bytesUploaded\":4,"
    "\"lastUpdateTime\":"
    "\"2026-01-01T00:00:04Z\"},\"progressText\":\"Uploading "
    "5%\",\"artifacts\":[{\"database\":\"a\",\"key\":\"k\",\"manifestKey\":"
    "\"m\",\"sizeBytes\":7,\"newBytes\":6,\"uncompressedBytes\":9,\"sha256\":\"ab\",\"nodes\":1,"
    "\"relationships\":"
    "2,\"indexes\":3,\"constraints\":"
    "4,\"consistency\":\"Closed\",\"warnings\":\"w\"}],\"failure\":{\"reason\":\"X\",\"message\":"
    "\"y\",\"exitCode\":3,"
    "\"retriable\":false},"
    "\"verification\":{\"level\":\"Checksum\",\"result\":\"Succeeded\",\"durationSeconds\":1}}";

__attribute__((unused)) static const char restore_status_json[] =
    "{\"observedGeneration\":1,\"conditions\":[],\"startTime\":\"2026-01-01T00:00:00Z\","
    "\"completionTime\":"
    "\"2026-01-01T00:00:05Z\",\"durationSeconds\":5,\"duration\":\"5s\",\"jobRef\":{\"name\":\"j\","
    "\"uid\":\"ju\"},"
    "\"source\":\"s\",\"target\":\"t\",\"resolvedSource\":{\"kind\":\"Neo4jBackupRun\",\"name\":"
    "\"r\",\"points\":[{"
    "\"database\":\"a\",\"manifestKey\":\"m\",\"key\":\"k\",\"time\":\"2026-01-01T00:00:00Z\","
    "\"sizeBytes\":4}]},"
    "\"progress\":{\"stage\":\"Verifying\",\"percent\":5},\"progressText\":\"Verifying "
    "5%\",\"databaseResults\":[{"
    "\"database\":\"a\",\"target\":\"b\",\"result\":\"Failed\",\"reason\":\"X\",\"message\":\"m\","
    "\"nodes\":1,"
    "\"relationships\":2,\"durationSeconds\":3}],\"failure\":{\"reason\":\"X\",\"message\":\"y\","
    "\"exitCode\":3,"
    "\"retriable\":false},\"result\":\"Failed\"}";

#endif
