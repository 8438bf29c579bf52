# What a zygote's runs depend on: files, directories and the user, as they were when the script was
# compiled. Read by server.pl.
package Rbz;
delete $INC{'/dev/.rb/stamps.pl'};

# Which file it is, and when it was changed: device, inode, size, mtime, ctime. Empty for none.
sub stamp {
	my $path = "$_[0]";
	my $found = "\0" x 256;
	return '' if syscall @SYS_statx@, -100, $path, 0, 0x7ff, $found;
	join ' ', unpack('x32 Q Q', $found), unpack('x136 L L', $found),
		sprintf('%012d.%09d', unpack 'x112 q L', $found), changed($found);
}

sub changed { sprintf '%012d.%09d', unpack 'x96 q L', $_[0] }

# The files that are mapped: perl, its libraries and objects, and the C library's locales.
sub mapped {
	my %paths;
	$paths{$_} = 1 for slurp('/proc/self/maps') =~ m{ (/.*)$}mg;
	delete $paths{$_} for grep { m{^/(?:dev/zero|memfd:|SYSV|\[)} } keys %paths;
	sort keys %paths;
}

# Directories whose entries decide what @INC is, or what is found in it first.
sub search_path {
	my %paths;
	for my $dir (grep { !ref } @INC) {
		$paths{$dir} = 1 if $dir =~ m{^/usr/local/|/perl-base\z};
		$paths{$1} = 1 if $dir =~ m{^(/usr/local/.*/perl)/[^/]*\z};
	}
	sort keys %paths;
}

# Where the loader would now find a library that is loaded from somewhere else. ld.so.cache is
# written again and again while packages are configured, mostly without a change for this process.
sub moved_libraries {
	my $cache = slurp('/etc/ld.so.cache');
	my @moved;
	for my $path (grep { /\.so/ } @mapped) {
		my ($name) = $path =~ m{([^/]*)\z};
		while ($cache =~ m{(?<=\0)(/[^\0]*/\Q$name\E)(?=\0)}g) {
			push @moved, $1 if stamp($1) ne stamp($path);
		}
	}
	join ' ', @moved;
}

# Where a module would have to appear to be found before, or instead of, what was found.
sub watch {
	my %absent;
	@shadows = ();
	# A script may have put directories before the hook, so what was found counts as well.
	for my $name (keys %{ { %asked, %INC } }) {
		for my $dir (grep { !ref } @INC) {
			my $path = "$dir/$name";
			my $is_hit = defined $INC{$name} && $INC{$name} eq $path;
			# perl prefers Module.pmc to Module.pm.
			for my $wanted ($is_hit ? "${path}c" : ($path, "${path}c")) {
				push @shadows, $wanted;
				$absent{first_absent($dir, $wanted)} = 1;
			}
			last if $is_hit;
		}
	}
	@absent = sort keys %absent;
}

# The topmost part of a path below a directory that does not exist.
sub first_absent {
	my ($top, $path) = @_;
	return $top if !-e $top;
	for my $part (split m{/}, substr $path, 1 + length $top) {
		$top .= "/$part";
		return $top if !-e $top;
	}
	$top;
}

# debconf asks for its user while it is compiled, and /etc/passwd comes late.
sub user { join ' ', getpwuid $> }

# Everything that the next run depends on. Must be what it was when the script was compiled.
sub look {
	join "\n", (map { stamp($_) } @files), user(), map { -e $_ ? 1 : 0 } @absent;
}

# Whether a run would still find what this process has loaded.
sub is_current {
	my $now = look();
	my $cache = stamp('/etc/ld.so.cache');
	return 1 if $now eq $seen && $cache eq $cache_seen;
	my @then = split /\n/, $seen;
	my @now = split /\n/, $now;
	for (0 .. @files) { # and the user's line
		next if $now[$_] eq $then[$_];
		note('changed ' . ($files[$_] // 'user'));
		return 0;
	}
	for (@shadows) {
		next if !-e $_;
		note("found $_");
		return 0;
	}
	return 0 if $cache ne $cache_seen && moved_libraries() ne $moved;
	# A directory has come, and nothing that is looked for is in it.
	watch();
	$seen = look();
	$cache_seen = $cache;
	1;
}

# Whether something may have changed after it was read.
sub is_late {
	return 1 if user() ne $user || grep { / \(deleted\)\z/ } @mapped;
	for (@files) {
		my $stamp = stamp($_);
		next if $stamp eq '' || (split ' ', $stamp)[5] lt $began;
		note("changed meanwhile, $_");
		return 1;
	}
	return scalar grep { -e } @shadows;
}
1;
