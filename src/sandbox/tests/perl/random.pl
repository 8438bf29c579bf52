#!/usr/bin/perl
# Random numbers.
use strict; use warnings; use File::Temp 'tempfile';
my ($fh, $name) = tempfile('XXXXXXXXXX', TMPDIR => 1, UNLINK => 1); print rand, " $name\n";
