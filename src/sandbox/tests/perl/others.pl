#!/usr/bin/perl
# Runs that differ from the zygote in what they inherit.
use strict; use warnings; use POSIX ();
my $begin; BEGIN { $begin = "@ARGV"; $ENV{FROM_BEGIN} = 'set'; delete $ENV{FROM_TEST} }
print "argv [@ARGV] $^W ", $^C, " env $ENV{FROM_BEGIN} ", exists $ENV{FROM_TEST} ? 'test' : 'none', "\n";
print "nice ", getpriority(0, 0), " ids $< $> $( groups $)\n";
print grep { /open files|core/ } do { open my $l, '<', '/proc/self/limits'; <$l> };
print grep { /^(?:NoNewPrivs|CapBnd|SigBlk)/ } do { open my $s, '<', '/proc/self/status'; <$s> };
print map { my $l = $_; open my $f, '<', $l; <$f> } '/proc/self/personality';
print 'policy ', (split ' ', do { open my $f, '<', '/proc/self/stat'; <$f> })[40], "\n";
print grep { /^Cpus_allowed_list/ && -e '/tmp/pinned' } do { open my $s, '<', '/proc/self/status'; <$s> };
print "x ", $ENV{X} // 'none', " lib ", $INC[0], "\n";
