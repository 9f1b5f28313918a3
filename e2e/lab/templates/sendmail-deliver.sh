#!/bin/sh
# Sendmail's local mailer in the lab: puts the message on standard input into
# a Maildir. The recipient comes as $1, without the lab's own domain.
set -eu
box=@RUN@/maildir
to=$1
case $to in *@*) ;; *) to=$to@@DOMAIN@ ;; esac
file=$(mktemp "$box/tmp/$(date +%s).XXXXXXXXXX")
{
	printf 'Delivered-To: %s\n' "$to"
	cat
} >"$file"
mv "$file" "$box/new/${file##*/}"
