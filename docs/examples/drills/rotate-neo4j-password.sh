#!/bin/sh
# A new password of the Neo4j user that backups are made with. Neo4j knows one password of a user at a time: a run that begins
# between the change and that of the Secret fails (Neo4jAuthFailed), and the next one succeeds.
#
#   NEW_NEO4J_PASSWORD=... rotate-neo4j-password.sh
#
#   NEO4J_URI, NEO4J_USER (neo4j), NEO4J_PASSWORD    with the password as it is; R2_..., BACKUP_OWNER as for a backup. Needs cypher-shell
set -eu
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/[\\\\']/\\\\&/g")"; }
cypher-shell -a "$NEO4J_URI" -u "${NEO4J_USER:-neo4j}" -d system <<END
ALTER CURRENT USER SET PASSWORD FROM $(quoted "$NEO4J_PASSWORD") TO $(quoted "$NEW_NEO4J_PASSWORD");
END
# 11: wrong user or password. One try: after three Neo4j refuses the user for some seconds
status=0
neo4j-backup backup || status=$?
[ "$status" -eq 11 ] || { echo "the old password is not refused" >&2; exit 1; }
NEO4J_PASSWORD=$NEW_NEO4J_PASSWORD
export NEO4J_PASSWORD
neo4j-backup backup
echo "put the new password into the Secret"
