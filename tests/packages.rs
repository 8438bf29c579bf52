//! Hard packages, one small case each, compared with the tree and the database that apt and dpkg
//! make of the same archive.
//!
//! | case | test |
//! | --- | --- |
//! | setuid, setgid, sticky, owners by name and by number | `files::modes_owners_and_times` |
//! | capabilities that a postinst sets | `files::capabilities_set_in_postinst_are_in_the_tar` |
//! | hard links, also across directories | `files::hard_links` |
//! | names over 100 bytes, names that are not UTF-8 | `files::long_names_and_names_of_no_encoding` |
//! | a path through a symlinked directory | `files::a_directory_behind_another_packages_symlink` |
//! | two batches that share a directory | `files::a_directory_of_two_packages` |
//! | no md5sums member | `files::no_md5sums_member` |
//! | a hard link over an excluded path | `dpkg::paths_are_left_out_as_by_dpkg` |
//! | conffiles, plain | `conffiles::conffiles_with_and_without_a_target` |
//! | a conffile behind a symlink | `conffiles::a_conffile_behind_a_symlink`, `conffiles::a_conffile_that_is_a_symlink_in_the_tree` |
//! | conffiles that are hard links | `conffiles::a_hard_link_to_a_conffile`, `conffiles::conffiles_that_are_hard_links_of_each_other` |
//! | obsolete conffiles, remove-on-upgrade | `conffiles::a_conffile_to_remove_on_upgrade`, `conffiles::a_conffile_that_another_package_takes_over` |
//! | conffiles and files of the tree's own, there before any package | `conffiles::conffiles_and_files_that_are_there_before`, `conffiles::a_file_like_a_stand_in_stays` |
//! | a preinst that diverts for its own package | `diversions::a_preinst_diverts_for_its_own_package` |
//! | a diversion by an earlier package | `diversions::a_path_that_an_earlier_package_diverted`, `diversions::a_diversion_within_one_batch` |
//! | a diverted conffile | `diversions::a_diverted_conffile` |
//! | statoverrides in preinst, its own and an earlier one's | `diversions::a_statoverride_in_preinst`, `diversions::a_statoverride_for_its_own_package_comes_too_late` |
//! | Replaces, the newer one's and the older one's | `owners::the_newer_replaces_the_older`, `owners::the_older_replaces_the_newer` |
//! | a package that loses all its files | `owners::a_package_that_is_replaced_completely_disappears` |
//! | a package that loses all its files and is needed | `owners::a_replaced_package_that_is_needed_stays` |
//! | a package that Conflicts remove | `owners::a_package_that_gives_way_is_removed` |
//! | the same package for two architectures | `owners::one_package_of_two_architectures` |
//! | triggers: named and of files, before and after their interest, awaited or not | `triggers::every_kind_of_interest_and_activation` |
//! | Pre-Depends, a chain of three | `needs::preinsts_run_in_apts_order_before_their_own_files` |
//! | versioned Provides | `needs::a_versioned_provides` |
//! | a preinst that fails: exit 7, nothing left | `scripts::a_preinst_that_fails_leaves_nothing` |
//! | what scripts find in their environment | `scripts::scripts_see_what_dpkg_shows_them` |
//! | answers given before the questions, as debconf takes them | `scripts::answers_given_in_advance` |
//! | path-exclude and path-include | `path_rules::paths_are_left_out_here_and_in_the_tree` |
//! | one thread and sixteen | `scripts::one_thread_and_sixteen_give_the_same_bytes` |

mod conffiles;
mod diversions;
mod files;
mod needs;
mod owners;
mod path_rules;
mod scripts;
mod triggers;

use rbootstrap::testing::{DebBuilder, FakeSuite};

use crate::context::{TestContext, reference, suite};

/// Makes the essentials and `include`, and asserts that apt and dpkg make the same tree.
#[track_caller]
fn same_as_dpkg(debs: impl IntoIterator<Item = DebBuilder>, include: &[&str]) -> TestContext {
    same_as_dpkg_of(&suite(debs), include)
}

/// As [`same_as_dpkg`], of a suite that may have several architectures.
#[track_caller]
fn same_as_dpkg_of(suite: &FakeSuite, include: &[&str]) -> TestContext {
    let context = TestContext::of(suite);
    let architectures = format!("--arch={}", suite.architectures.join(","));
    let option = format!("--include={}", include.join(","));
    let mut options = vec!["--variant=essential", &architectures];
    if !include.is_empty() {
        options.push(&option);
    }
    context.make(&options).ok();
    let expected = context.path("expected");
    reference::tree(&context, &expected, include);
    let difference = reference::difference(&expected, &context.root());
    assert!(
        difference.is_empty(),
        "- apt and dpkg, + rbootstrap:\n{difference}"
    );
    context
}

/// Every test in the table above exists.
#[test]
fn every_case_has_its_test() {
    let sources = [
        ("conffiles", include_str!("packages/conffiles.rs")),
        ("diversions", include_str!("packages/diversions.rs")),
        ("files", include_str!("packages/files.rs")),
        ("needs", include_str!("packages/needs.rs")),
        ("owners", include_str!("packages/owners.rs")),
        ("path_rules", include_str!("packages/path_rules.rs")),
        ("scripts", include_str!("packages/scripts.rs")),
        ("triggers", include_str!("packages/triggers.rs")),
        ("dpkg", include_str!("dpkg.rs")),
    ];
    let rows = include_str!("packages.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.split_once(" | "))
        .skip(2);
    let names: Vec<&str> = rows
        .flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let (module, function) = name.rsplit_once("::").unwrap();
        let source = sources
            .iter()
            .find(|(known, _)| *known == module)
            .unwrap_or_else(|| panic!("no module {module}"))
            .1;
        assert!(
            source.contains(&format!("\nfn {function}() {{")),
            "no test {name}"
        );
    }
}
