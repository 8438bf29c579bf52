#!/usr/bin/perl -w
# Warnings are on in all of perl.
use strict; my @a = (1); print "w $^W\n"; my $u; print "x$u\n"; no strict; print @h = 1; print "\n";
