#!/usr/bin/perl
# Waits for signals.
use strict; use warnings;
$| = 1;
$SIG{TERM} = sub { print "got TERM\n"; exit 12 } if $ARGV[0] eq 'catch';
$SIG{USR1} = sub { print "got USR1\n" };
$SIG{$_} = 'IGNORE' for grep { $ARGV[0] eq 'ignore' } 'TERM';
open my $ready, '>', "/tmp/ready.$ARGV[1]"; close $ready;
for (1 .. 100) { last if -e "/tmp/end.$ARGV[1]"; select undef, undef, undef, 0.1 }
open my $f, '>', '/tmp/survived'; print "end\n";
