#!/usr/bin/env bash
# Gradescope runs this once, when the container is built: what the students' programs need.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 gcc libc6-dev make default-jdk-headless nodejs

install -m 0755 "$(dirname "$0")/netlab" /usr/local/bin/netlab
netlab --version
