#!/bin/sh
# Read secrets from files, as compose and Kubernetes hand them over, and start the command.
#
# For every variable NAME_FILE in the environment, NAME becomes what that file holds (without the
# line's end). No secret is on a command line, in the image or in `docker inspect`.
set -eu

for named in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)_FILE=.*/\1/p'); do
  file=$(printenv "${named}_FILE")
  if [ ! -r "$file" ]; then
    echo "with-secrets: ${named}_FILE: $file: cannot be read" >&2
    exit 78
  fi
  value=$(cat "$file")
  if [ -z "$value" ]; then
    echo "with-secrets: ${named}_FILE: $file: is empty" >&2
    exit 78
  fi
  export "$named=$value"
  unset "${named}_FILE"
done

exec "$@"
