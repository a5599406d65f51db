#!/bin/sh
# To a newer Neo4j: a backup of the old server, restored into the new one, which is empty, and the two compared, constraints and
# indexes too. Stop what writes to the old one first.
#
#   R2_...                          a bucket, as for a backup
#   NEO4J_URI, NEO4J_PASSWORD       the new server
#   COMPARE_NEO4J_URI, COMPARE_NEO4J_PASSWORD    the old one
set -eu
database=${NEO4J_DATABASE:-neo4j}
export BACKUP_OWNER="${BACKUP_OWNER:-move}"
NEO4J_URI=$COMPARE_NEO4J_URI NEO4J_PASSWORD=$COMPARE_NEO4J_PASSWORD neo4j-backup backup --databases "$database"
neo4j-backup restore --databases "$database" --verify
# 52: they differ. Every value was compared by the restore: it is the schema, which the newer one may tell in other words
neo4j-backup compare "other:$database" "database:$database"
