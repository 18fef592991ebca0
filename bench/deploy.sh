#!/bin/sh
# What a careful person's script does for one deploy: the same commands as Quarterdeck's plan, over one OpenSSH connection.
#   deploy.sh SSH_CONFIG CONTROL RELEASE OVERRIDE_FILE SMOKE_PASSWORD_FILE IMAGE...
# Standard error gets the seconds since its beginning at each part.
set -eu
config=$1 control=$2 release=$3 override=$4 password=$5
shift 5
on() { ssh -F "$config" -o ControlMaster=auto -o "ControlPath=$control" -o ControlPersist=20 lab1 "$@"; }
home=/opt/app/by-hand/$release
compose="docker compose --project-name routing-ml --project-directory /opt/app --env-file /opt/app/.env"
compose="$compose --file $home/docker-compose.yml --file $home/override.yaml"
once="$compose run --rm --no-deps -T backend alembic"

on "mkdir -p $home && cp /opt/app/docker-compose.yml $home/ && cat >$home/override.yaml" <"$override"
on "$compose config --quiet"
for image in "$@"; do
  on "docker image inspect $image >/dev/null 2>&1 || docker pull -q $image"
done
number=0
for image in "$@"; do
  number=$((number + 1))
  on "docker rm -f keep-$release-$number >/dev/null 2>&1 || :; docker create --name keep-$release-$number $image >/dev/null"
done
on "$once current >$home/schema.before"
on "$once upgrade head"
heads=$(on "$once heads" | awk '{ print $1 }')
[ "$heads" = "$(on "$once current" | awk '{ print $1 }')" ]
on "$once current >$home/schema.after"
on "$once history >$home/schema.known"
on "$compose up --detach --no-build --pull never" 2>/dev/null
while :; do
  states=$(on "docker ps --filter label=com.docker.compose.project=routing-ml --format '{{.Status}}'")
  [ "$(printf '%s\n' "$states" | grep -c healthy)" = 3 ] && break
  sleep 0.5
done
until on "docker logs routing-ml-backend-1 2>&1 | grep -q 'Application startup complete'"; do sleep 0.5; done
base=http://127.0.0.1:8000/api
json='Content-Type: application/json'
on "curl -fsS $base/health >/dev/null"
token=$(on "curl -fsS -H '$json' -d @- $base/login" <"$password" | sed 's/.*"token": *"\([^"]*\)".*/\1/')
bearer() { printf 'Authorization: Bearer %s\n' "$token"; }
ride='{"origin":"depot","destination":"harbour"}'
bearer | on "curl -fsS -H '$json' -H @- -d '$ride' $base/predict >/dev/null"
bearer | on "curl -fsS -X POST -H @- $base/logout >/dev/null"
[ "$(bearer | on "curl -s -o /dev/null -w '%{http_code}' -H @- $base/me")" = 401 ]
on "touch $home/verified"
