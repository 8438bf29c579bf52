#!/usr/bin/perl
# Modules that change between runs.
use strict; use warnings; use lib '/m'; use Mine;
eval { require Maybe; 1 } and print "maybe\n";
require Late if @ARGV;
print "mine $Mine::version ", join(' ', map { "$_=$INC{$_}" } grep { /Mine/ } sort keys %INC), "\n";
