#!/usr/bin/perl
# A script that holds its own file open.
use strict; use warnings;
print "data ", scalar <DATA>; print "rest ", <DATA>;
__END__
first line
second line
