//! Several runs in one process, and the error of an interrupted run.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::failure::Class;
use crate::privilege::Privilege;
use crate::sandbox;
use crate::store::TransferLimits;

/// Plans from a mirror that does not exist.
fn request(temporary: &Path) -> Request {
    Request {
        goal: Goal::PrintDebs,
        privilege: Ok(Privilege::of_caller()),
        system: System::minbase("trixie"),
        other_architectures: Vec::new(),
        packages: Packages {
            include: Vec::new(),
            exclude: Vec::new(),
        },
        sources: SourceOptions::from_mirror(Some("file:/no/such/mirror")),
        debootstrap: None,
        locked: None,
        outputs: Outputs {
            takes_any_directory: false,
            directory: None,
            image: None,
            devices: crate::pack::Devices::None,
            push: PushOutputs::default(),
            checksums: None,
            says_key: false,
            lock: None,
            epoch: None,
            inventory: InventoryOutputs::default(),
            keep_failed: false,
            temporary: temporary.into(),
        },
        cache: CacheOptions {
            directory: None,
            is_named: false,
            max_size: 0,
            state_directory: None,
            temporary: temporary.into(),
            snapshots: crate::install::Snapshots::None,
        },
        network: NetworkOptions {
            transfers: TransferLimits {
                timeout: Duration::from_secs(1),
                lowest_rate: 0,
            },
            tries: 1,
            proxies: crate::store::Proxies::default(),
            mirror_wait: Duration::ZERO,
        },
        limits: Limits {
            downloads: 1,
            jobs: 1,
        },
        additions: crate::install::Additions::default(),
        sandbox: sandbox::Options::default(),
    }
}

#[test]
fn a_run_leaves_no_callback_for_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::default();
    for _ in 0..2 {
        let error = run(&request(directory.path()), &interrupt, &Report::silent()).unwrap_err();
        assert_eq!(error.class(), Class::Network, "{error}");
        assert_eq!(interrupt.callbacks(), 0);
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn after_an_interrupt_every_failure_is_the_interrupt() {
    let directory = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::default();
    interrupt.raise(2);
    let mut request = request(directory.path());
    let error = run(&request, &interrupt, &Report::silent()).unwrap_err();
    assert_eq!(error.class(), Class::Interrupted { signal: 2 });
    assert_eq!(error.to_string(), "interrupted; everything is undone");
    request.outputs.keep_failed = true;
    let error = run(&request, &interrupt, &Report::silent()).unwrap_err();
    assert_eq!(error.to_string(), "interrupted");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes its own tree")]
fn an_interrupted_removal_says_that_the_rest_stays() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(tree.join("var/lib/dpkg")).unwrap();
    let interrupt = Interrupt::default();
    interrupt.raise(15);
    let error = remove(&tree, &interrupt).unwrap_err();
    assert_eq!(error.to_string(), "interrupted");
    assert_eq!(error.class(), Class::Interrupted { signal: 15 });
    // Also in the middle of a tree.
    let error = target::remove(&tree, &interrupt).unwrap_err();
    assert!(matches!(error, target::Error::Remains { .. }), "{error}");
    assert!(tree.join("var/lib/dpkg").exists());
    remove(&tree, &Interrupt::default()).unwrap();
    assert!(!tree.exists());
}
