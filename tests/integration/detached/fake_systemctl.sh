#!/bin/sh
# A FAKE systemctl, for tests: remembers what it was asked.
printf '%s\n' "$*" >>"$(dirname "$0")/../state/asked"
