#!/bin/sh
# Makes configure and Makefile.in from a checkout. A release tarball has them.
set -eu
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all
