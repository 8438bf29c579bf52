# Records which variables are read while a script is compiled, and prints them.
package TieEnv;
our (%read, %orig);
sub TIEHASH { bless {} }
sub FETCH { $read{$_[1]} = 1; $orig{$_[1]} }
sub EXISTS { $read{$_[1]} = 1; exists $orig{$_[1]} }
sub STORE { $read{"$_[1] (set)"} = 1; $orig{$_[1]} = $_[2] }
sub DELETE { $read{"$_[1] (deleted)"} = 1; delete $orig{$_[1]} }
sub FIRSTKEY { $read{'all'} = 1; my $n = keys %orig; each %orig }
sub NEXTKEY { each %orig }
sub SCALAR { $read{'all'} = 1; 1 }
sub CLEAR { $read{'all (cleared)'} = 1 }
sub import {}
BEGIN { delete $ENV{PERL5OPT}; %orig = %ENV; tie my %tied, 'TieEnv'; *main::ENV = \%tied }
CHECK { print map { "read $_\n" } sort keys %read }
1;
