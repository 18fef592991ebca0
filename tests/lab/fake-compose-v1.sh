#!/bin/sh
# STAND-IN: answers as Docker Compose v1 does when asked for its version. No package of v1 is installed in the lab;
# all that the tests need of it is that it is recognised and refused.
case "${1:-}" in
  version | --version | -v)
    if [ "${2:-}" = --short ]; then
      echo 1.29.2
    else
      echo "docker-compose version 1.29.2, build unknown"
    fi
    ;;
  *)
    echo "stand-in for docker-compose v1: it only answers 'version'" >&2
    exit 1
    ;;
esac
