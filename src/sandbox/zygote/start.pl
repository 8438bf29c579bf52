# Starts a zygote for the script that this process was to run, with the environment that it has.
package Rbz;
delete $INC{'/dev/.rb/start.pl'};

# True if there is one now, or will be as soon as it has compiled.
sub start {
	my $address = address();
	socket my $listener, 1, 1, 0 or return 0;
	return $! == @EADDRINUSE@ if !bind $listener, pack 'S a*', 1, "$address\0";
	listen $listener, 64 or return 0;
	my $pid = fork;
	return 0 if !defined $pid;
	if ($pid) { waitpid $pid, 0; return 1 }
	# No script has a zygote as its child.
	if (fork) { syscall @SYS_exit_group@, 0 }
	become_zygote($listener, $address);
	unlink $address;
	syscall @SYS_exit_group@, 1;
}

# Descriptors 0 to 63 are /dev/null and two files in memory, the listener is 64: whatever a run has
# is below, and whatever the zygote opens above.
sub become_zygote {
	my ($listener, $address) = @_;
	# By this PID 1 knows a zygote. It removes the file when the process has ended.
	if (open my $mark, '>', "/dev/.rb/p/$$") { close $mark }
	syscall @SYS_setsid@;
	chdir '/' or return;
	my $name = 'z';
	open my $null, '+<', '/dev/null' or return;
	my @source = (fileno $listener, fileno $null);
	for (1, 2) {
		my $file = syscall @SYS_memfd_create@, $name, 0;
		return if $file < 0;
		push @source, $file;
	}
	my ($high, $input, $out, $err) = map { my $n = syscall @SYS_fcntl@, $_, 0, 200; $n } @source;
	return if grep { $_ < 0 } $high, $input, $out, $err;
	syscall @SYS_dup3@, $input, $_ + 0, 0 for 0 .. 63;
	syscall @SYS_dup3@, $out, 1, 0;
	syscall @SYS_dup3@, $err, 2, 0;
	syscall @SYS_dup3@, $high, 64, 0;
	syscall @SYS_close_range@, 65, 0x7fffffff, 0 and return;
	$ENV{RBZ_SOCKET} = $address;
	exec '/usr/bin/perl', $warns ? '-w' : (), $0;
}
1;
