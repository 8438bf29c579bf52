#!/usr/bin/perl
# What is read and written through which descriptor.
use strict; use warnings;
my $how = shift;
if ($how eq 'stdin') {
	my $first = <STDIN>; print "first $first" if defined $first;
	print "at ", tell(STDIN), "\n" if @ARGV;
	sysseek STDIN, tell(STDIN), 0 if @ARGV;
	system 'sed s/^/child:/';
	print "more $_" while <STDIN>;
}
if ($how eq 'numbers') {
	open my $out, '>&=', 3 or die "3: $!"; open my $in, '<&=', 7 or die "7: $!";
	print $out "to three\n"; print "from seven: ", <$in>;
	opendir my $d, '/proc/self/fd'; print "open ", join(' ', sort { $a <=> $b } grep { /\d/ } readdir $d), "\n"; closedir $d;
}
if ($how eq 'close') {
	$| = 1; print "one\n"; close STDOUT; close STDERR;
	my $i = 0; while (!-e '/tmp/eof' && $i++ < 100) { select undef, undef, undef, 0.1 }
	open my $f, '>', '/tmp/closed'; print $f -e '/tmp/eof' ? "seen\n" : "not seen\n"; close $f;
}
if ($how eq 'daemon') {
	if (fork) { print "parent\n"; exit 0 }
	require POSIX; POSIX::setsid();
	open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
	my $i = 0; while (!-e '/tmp/go' && $i++ < 100) { select undef, undef, undef, 0.1 }
	open my $f, '>', '/tmp/daemon'; print $f "parent ", getppid == 1 ? 'is PID 1' : 'is another', "\n"; close $f;
}
if ($how eq 'exit') { exit shift }
