use std::thread;

use super::*;

type TestQueue = Queue<char, u32, u32, &'static str>;

/// Runs a script of steps on a queue with one worker and returns what each step that has an answer
/// says.
fn run(script: &str) -> String {
    let queue = Arc::new(TestQueue::new());
    let worker = queue.worker();
    let mut tasks = HashMap::new();
    let mut answers = Vec::new();
    for step in script.split(", ") {
        let (verb, keys) = step.split_once(' ').unwrap_or((step, ""));
        let keys: Vec<char> = keys.chars().collect();
        match verb {
            "prefetch" => queue.prefetch(keys[0], 1),
            "want" => {
                let items = keys.iter().map(|&key| Item { key, job: 2 }).collect();
                let admission = queue.want(items);
                let complete = if admission.is_complete { "!" } else { "" };
                answers.push(format!("+{}{complete}", admission.added.len()));
            }
            // What `take_now` does before it waits.
            "request" => {
                queue.lock().request(&keys[0], &Arc::new(3));
            }
            "next" => match worker.next_now() {
                Some(task) => {
                    answers.push(task.key.to_string());
                    tasks.insert(task.key, task);
                }
                None if queue.lock().stopped.is_some() => answers.push("end".to_owned()),
                None => answers.push("idle".to_owned()),
            },
            "ok" | "fail" => {
                let result = if verb == "ok" { Ok(7) } else { Err("bad") };
                if tasks.remove(&keys[0]).unwrap().finish(result) {
                    answers.push("complete".to_owned());
                }
            }
            "drop" => drop(tasks.remove(&keys[0])),
            "cancel" => queue.cancel(),
            "take" | "copy" => {
                let mut state = queue.lock();
                let outcome = match verb {
                    "take" => state.outcome(&keys[0]),
                    _ => state.copied_outcome(&keys[0]),
                };
                answers.push(match outcome {
                    None => "waits".to_owned(),
                    Some(Ok(result)) => result.to_string(),
                    Some(Err(TakeError::Failed(error))) => error.to_owned(),
                    Some(Err(TakeError::Cancelled)) => "cancelled".to_owned(),
                    Some(Err(TakeError::NotRequested)) => "not requested".to_owned(),
                });
            }
            other => panic!("`{other}` is not a step"),
        }
    }
    answers.join(" ")
}

#[test]
fn items_are_processed_in_their_order() {
    for (script, answers) in [
        ("want abc, next, next, next, next", "+3 a b c idle"),
        ("want ab, want cb, next, next, next", "+2 +1 a b c"),
        ("want aa, next, next", "+1 a idle"),
        // A prefetch takes the place that the plan gives it.
        (
            "prefetch a, prefetch b, want cba, next, next, next",
            "+3 c b a",
        ),
        ("prefetch a, prefetch a, next, next", "a idle"),
        // A plan of nothing drops prefetches, and another plan can have them.
        (
            "prefetch a, prefetch b, next, want, next, want ab, next",
            "a +0 idle +1 b",
        ),
        // A consumer's item comes first, and keeps its place in the plan's order.
        ("want abc, request c, next, next, next", "+3 c a b"),
        ("want a, request x, next, next", "+1 x a"),
        (
            "prefetch a, prefetch b, request b, want ab, next, next",
            "+2 b a",
        ),
        ("want a, next, request a, next", "+1 a idle"),
    ] {
        assert_eq!(run(script), answers, "{script}");
    }
}

#[test]
fn each_item_is_taken_once() {
    for (script, answers) in [
        ("take a", "not requested"),
        (
            "want a, take a, next, take a, ok a, take a, take a",
            "+1 waits a waits complete 7 not requested",
        ),
        ("prefetch a, next, ok a, take a", "a 7"),
        // Requested again, it is processed again.
        (
            "want a, next, ok a, take a, request a, next, ok a, take a",
            "+1 a complete 7 a complete 7",
        ),
        (
            "want a, next, ok a, take a, want a, next",
            "+1 a complete 7 +0! idle",
        ),
        (
            "copy a, want a, copy a, next, ok a, copy a, copy a, request a, next, take a, copy a",
            "not requested +1 waits a complete 7 7 idle 7 not requested",
        ),
        ("prefetch a, next, fail a, copy a, copy a", "a bad bad"),
    ] {
        assert_eq!(run(script), answers, "{script}");
    }
}

#[test]
fn a_waiting_prefetch_that_is_not_wanted_is_dropped() {
    for (script, answers) in [
        (
            "prefetch a, want b, next, next, take a",
            "+1 b idle not requested",
        ),
        (
            "prefetch a, next, want b, ok a, next, ok b, take a",
            "a +1 b complete 7",
        ),
        ("prefetch a, next, ok a, want a, take a", "a +0! 7"),
        // A consumer waits for it.
        ("prefetch a, request a, want b, next, next", "+1 a b"),
        ("prefetch a, want, next", "+0! idle"),
    ] {
        assert_eq!(run(script), answers, "{script}");
    }
}

#[test]
fn a_failed_prefetch_matters_only_if_it_is_wanted() {
    for (script, answers) in [
        (
            "prefetch a, next, fail a, want b, next, ok b, take b",
            "a +1 b complete 7",
        ),
        (
            "prefetch a, next, fail a, take a, request a, take a",
            "a bad bad",
        ),
        (
            "prefetch a, next, fail a, want a, next, ok a, take a",
            "a +1 a complete 7",
        ),
        (
            "prefetch a, next, fail a, want a, next, fail a, next, take a",
            "a +1 a end bad",
        ),
        // Wanted while it is under way: the attempt was a prefetch, and the next one counts.
        (
            "prefetch a, next, want a, fail a, take a, next, ok a, take a",
            "a +0 waits a complete 7",
        ),
        (
            "prefetch a, next, want a, fail a, next, fail a, take a",
            "a +0 a bad",
        ),
        // A consumer that waits does not make it a wanted item.
        (
            "prefetch a, request a, next, fail a, take a, want b, next",
            "a bad +1 b",
        ),
    ] {
        assert_eq!(run(script), answers, "{script}");
    }
}

#[test]
fn the_first_failure_of_a_wanted_item_stops_the_queue() {
    for (script, answers) in [
        (
            "want abc, next, next, fail b, next, take a, take b, take c",
            "+3 a b end bad bad bad",
        ),
        ("want ab, next, ok a, next, fail b, take a", "+2 a b bad"),
        ("request a, next, fail a, take b", "a bad"),
        ("want a, cancel, next, take a", "+1 end cancelled"),
        // The first reason stays.
        ("want a, next, fail a, cancel, take a", "+1 a bad"),
        ("want a, next, cancel, fail a, take a", "+1 a cancelled"),
        // What a panic does.
        ("want ab, next, drop a, next, take b", "+2 a end cancelled"),
    ] {
        assert_eq!(run(script), answers, "{script}");
    }
}

/// Threads that double each job; 13 panics.
fn doubling(queue: &Arc<TestQueue>, count: usize) -> Workers {
    Workers::start(queue, count, "test", |worker| {
        while let Some(task) = worker.next() {
            assert_ne!(*task.job(), 13, "on purpose");
            let doubled = *task.job() * 2;
            task.finish(Ok(doubled));
        }
    })
}

#[test]
fn threads_process_every_item() {
    let queue = Arc::new(TestQueue::new());
    let workers = doubling(&queue, 4);
    let keys: Vec<char> = ('a'..='z').collect();
    let items = keys.iter().map(|&key| Item {
        key,
        job: key as u32,
    });
    queue.want(items.collect());
    for key in keys.iter().rev() {
        assert_eq!(queue.take(key), Ok(*key as u32 * 2));
    }
    assert_eq!(queue.take_now(&'B', 4), Ok(8));
    assert_eq!(queue.take_now(&'B', 5), Ok(10));
    drop(workers);
    assert_eq!(queue.take_now(&'C', 4), Err(TakeError::Cancelled));
}

#[test]
fn no_consumer_waits_for_a_worker_that_is_gone() {
    // No worker at all.
    let queue = Arc::new(TestQueue::new());
    queue.prefetch('a', 1);
    assert_eq!(queue.take(&'a'), Err(TakeError::Cancelled));
    // One panics while a consumer waits for another's item.
    let workers = doubling(&queue, 1);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.take_now(&'x', 13));
        assert_eq!(waiting.join().unwrap(), Err(TakeError::Cancelled));
    });
    assert_eq!(queue.take_now(&'a', 1), Err(TakeError::Cancelled));
    drop(workers);
}
