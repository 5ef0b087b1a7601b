//! Many callers at once, as a node that starts all its pods together.

use std::sync::Mutex;
use std::thread;

use crate::failure::Failure;

/// Does `work` for each item on `workers` threads, each taking the next item when it is done with one.
/// The results are in the items' order; the first failure is given when all have ended.
pub fn each<T: Sync, R: Send>(
    workers: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let queue = Mutex::new(items.iter().enumerate());
    let take = || {
        queue.lock().map_err(|_poisoned| Failure::failed("a worker panicked")).map(|mut queue| queue.next())
    };
    let done: Vec<Result<Vec<(usize, R)>, Failure>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    while let Some((index, item)) = take()? {
                        own.push((index, work(item)?));
                    }
                    Ok(own)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_panic| Failure::failed("a worker panicked"))?)
            .collect()
    });
    let mut results: Vec<_> =
        done.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    results.sort_by_key(|&(index, _)| index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
