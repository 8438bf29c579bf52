#!/usr/bin/perl
# Runs beside clients that are not the script's own, and of zygotes that are not.
print "argv [@ARGV] $^W\n";
