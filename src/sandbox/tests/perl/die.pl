#!/usr/bin/perl

use strict; use warnings; use Carp;
my $how = shift // '';
END { print "END \$?=$?\n"; $? = 77 if $how eq 'end' }
$SIG{__DIE__} = sub { print STDERR "handler s=", defined $^S ? $^S : 'undef', ": $_[0]" } if $how eq 'handler';
if ($how eq 'plain') { die "plain\n" }
if ($how eq 'line') { die "with line" }
if ($how eq 'errno') { open my $f, '<', '/nonexistent'; die "cannot: $!" }
if ($how eq 'status') { $! = 0; system 'exit 3'; $! = 0; die "child" }
if ($how eq 'object') { die { a => 1 } }
if ($how eq 'sub') { sub f { croak 'deep' } f() }
if ($how eq 'handler') { eval { die "inner\n" }; die "outer\n" }
if ($how eq 'exit') { exit shift }
if ($how eq 'return') { eval { return 1 }; exit 5 }
if ($how eq 'end') { exit 0 }
if ($how eq 'warn') { my $x; warn "w"; print "a" . $x; }
if ($how eq 'kill') { kill shift, $$; sleep 5 }
if ($how eq 'pipe') { $| = 1; print "x\n" x 100000; print STDERR "not reached\n" }
if ($how eq 'full') { print "x" x 100000 or print STDERR "print: $!\n"; close STDOUT or die "close: $!\n" }
if ($how eq 'exec') { exec 'sh', '-c', 'echo executed; exit 9' }
if ($how eq 'level') { my $n = shift; print "level $n\n"; $| = 1; system($0, 'level', $n - 1) if $n; exit $n + ($? >> 8) }
