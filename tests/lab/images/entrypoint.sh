#!/bin/sh
# Leaves one line for every start of this image, so that the target itself counts what was done to it.
printf '%s\t%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$SERVICE:$RELEASE" "$(hostname)" "$*" >>/effects/starts.tsv
exec "$@"
