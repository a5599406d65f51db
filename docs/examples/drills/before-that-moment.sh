#!/bin/sh
# Wrong data was deleted: the database as it was before that moment, beside the one that lives, and what is between them. Nothing
# is written to the one that lives.
#
#   before-that-moment.sh 2025-10-08T14:00:00Z
#
#   R2_...                          the bucket, as for a backup; BACKUP_OWNER
#   NEO4J_URI, NEO4J_PASSWORD       an empty Neo4j beside the one that lives, to look at what was
#   COMPARE_NEO4J_URI, COMPARE_NEO4J_PASSWORD    the one that lives
#
# Afterwards copy over what is missing, or, where everything since then may go, restore into the one that lives
# with --overwrite Wipe --confirm NAME.
set -eu
neo4j-backup restore --before "$1" --databases "${NEO4J_DATABASE:-neo4j}"
# 52: they differ, which is why you are here
neo4j-backup compare database other || [ $? -eq 52 ]
