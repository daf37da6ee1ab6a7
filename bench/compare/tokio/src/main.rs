//! The workloads of tokio's current_thread runtime: tokio-workloads WORKLOAD SECONDS
//!
//! It does WORKLOAD for at least SECONDS and prints the cost of one operation as Go's
//! benchmarks print it. With 0 seconds it does one operation. `tokio-workloads list` prints
//! the names of the workloads. The benchmark of the same name in the library's
//! bench_*_test.go defines an operation. Each workload counts the operations in the code that
//! performs them, and fails if the count is not the requested number. For the tests,
//! BENCH_MISCOUNT in the environment makes every count wrong.

use std::future::Future;
use std::pin::Pin;
use std::process::exit;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::{spawn, spawn_blocking, yield_now, JoinHandle};
use tokio::time::{sleep, timeout};

const HOUR: Duration = Duration::from_secs(3600);

/// The time of a run of n operations, and further metrics for the line that is printed.
struct Timed {
    time: Duration,
    extra: String,
}

impl From<Duration> for Timed {
    fn from(time: Duration) -> Timed {
        Timed { time, extra: String::new() }
    }
}

type Run = Pin<Box<dyn Future<Output = Timed> + Send>>;

const WORKLOADS: &[(&str, fn(usize) -> Run)] = &[
    ("Switch16", |n| Box::pin(switch(n))),
    ("CreateAwait", |n| Box::pin(create_await(n))),
    ("Gather1000", |n| Box::pin(gather(n))),
    ("Tree10", |n| Box::pin(tree(n))),
    ("Lock", |n| Box::pin(lock(n))),
    ("LockContended16", |n| Box::pin(lock_contended(n))),
    ("Semaphore", |n| Box::pin(semaphore(n))),
    ("Event", |n| Box::pin(event(n))),
    ("EventBroadcast1000", |n| Box::pin(event_broadcast(n))),
    ("Condition", |n| Box::pin(condition(n))),
    ("Queue", |n| Box::pin(queue(n, 1))),
    ("QueueBuffered128", |n| Box::pin(queue(n, 128))),
    ("Sleepers100k", |n| Box::pin(sleepers(n))),
    ("CallLaterCancel", |n| Box::pin(call_later_cancel(n))),
    ("WaitFor", |n| Box::pin(wait_for(n))),
    ("CallSoon", |n| Box::pin(call_soon(n))),
    ("CallSoonThreadsafe", |n| Box::pin(call_soon_threadsafe(n))),
    ("CallSoonThreadsafeBatch1000", |n| Box::pin(call_soon_threadsafe_batch(n))),
    ("ToThread", |n| Box::pin(to_thread(n))),
    ("Waiting100k", |n| Box::pin(waiting(n))),
];

fn expect(got: usize, want: usize) {
    if got != want || std::env::var_os("BENCH_MISCOUNT").is_some() {
        eprintln!("counted {got}, want {want}");
        exit(1);
    }
}

/// The number of operations, of n, that the i-th of k tasks performs.
fn share(n: usize, k: usize, i: usize) -> usize {
    (n + k - 1 - i) / k
}

async fn answer() -> usize {
    42
}

async fn all<T: Send>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Yields until count has reached the wanted number.
async fn settle(count: &AtomicUsize, want: usize) {
    while count.load(Relaxed) < want {
        yield_now().await;
    }
}

/// Times 16 tasks that share n operations, from the moment when all of them wait for the start.
async fn in_tasks<F>(n: usize, body: impl Fn(usize) -> F) -> Duration
where
    F: Future<Output = usize> + Send + 'static,
{
    let (start, ready) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..16)
        .map(|i| {
            let (start, ready, work) = (start.clone(), ready.clone(), body(share(n, 16, i)));
            spawn(async move {
                ready.fetch_add(1, Relaxed);
                start.notified().await;
                work.await
            })
        })
        .collect();
    settle(&ready, 16).await;
    let begin = Instant::now();
    start.notify_waiters();
    let done = all(tasks).await.into_iter().sum();
    let time = begin.elapsed();
    expect(done, n);
    time
}

async fn switch(n: usize) -> Timed {
    in_tasks(n, |times| async move {
        let mut done = 0;
        for _ in 0..times {
            yield_now().await;
            done += 1;
        }
        done
    })
    .await
    .into()
}

async fn create_await(n: usize) -> Timed {
    let (begin, mut total) = (Instant::now(), 0);
    for _ in 0..n {
        total += spawn(answer()).await.unwrap();
    }
    let time = begin.elapsed();
    expect(total, 42 * n);
    time.into()
}

async fn gather(n: usize) -> Timed {
    let (begin, mut total) = (Instant::now(), 0);
    for _ in 0..n {
        let tasks = (0..1000).map(|_| spawn(answer())).collect();
        total += all(tasks).await.into_iter().sum::<usize>();
    }
    let time = begin.elapsed();
    expect(total, 42_000 * n);
    time.into()
}

fn node(depth: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return 1;
        }
        let left = spawn(node(depth - 1));
        let right = spawn(node(depth - 1));
        1 + left.await.unwrap() + right.await.unwrap()
    })
}

async fn tree(n: usize) -> Timed {
    let (begin, mut total) = (Instant::now(), 0);
    for _ in 0..n {
        total += spawn(node(10)).await.unwrap();
    }
    let time = begin.elapsed();
    expect(total, 2047 * n);
    time.into()
}

async fn lock(n: usize) -> Timed {
    let mutex = Mutex::new(0);
    let begin = Instant::now();
    for _ in 0..n {
        *mutex.lock().await += 1;
    }
    let time = begin.elapsed();
    expect(mutex.into_inner(), n);
    time.into()
}

async fn lock_contended(n: usize) -> Timed {
    let (mutex, inside) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
    let time = in_tasks(n, |times| {
        let (mutex, inside) = (mutex.clone(), inside.clone());
        async move {
            for _ in 0..times {
                let mut done = mutex.lock().await;
                inside.fetch_add(1, Relaxed);
                yield_now().await;
                *done += inside.load(Relaxed); // one, unless two hold the lock
                inside.fetch_sub(1, Relaxed);
            }
            times
        }
    })
    .await;
    let done = *mutex.lock().await;
    expect(done, n);
    time.into()
}

async fn semaphore(n: usize) -> Timed {
    let (places, mut done) = (Semaphore::new(4), 0);
    let begin = Instant::now();
    for _ in 0..n {
        let _place = places.acquire().await.unwrap();
        done += 1;
    }
    let time = begin.elapsed();
    expect(done, n);
    time.into()
}

async fn event(n: usize) -> Timed {
    let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (ping2, pong2) = (ping.clone(), pong.clone());
    let other = spawn(async move {
        for _ in 0..n {
            ping2.notified().await;
            pong2.notify_one();
        }
    });
    yield_now().await;
    let (begin, mut done) = (Instant::now(), 0);
    for _ in 0..n {
        ping.notify_one();
        pong.notified().await;
        done += 1;
    }
    other.await.unwrap();
    let time = begin.elapsed();
    expect(done, n);
    time.into()
}

async fn event_broadcast(n: usize) -> Timed {
    let (event, waits) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (event, waits) = (event.clone(), waits.clone());
            spawn(async move {
                for _ in 0..n {
                    waits.fetch_add(1, Relaxed);
                    event.notified().await;
                }
                waits.fetch_add(1, Relaxed);
            })
        })
        .collect();
    settle(&waits, 1000).await;
    let begin = Instant::now();
    for i in 0..n {
        event.notify_waiters();
        settle(&waits, 1000 * (i + 2)).await;
    }
    let time = begin.elapsed();
    all(tasks).await;
    expect(waits.load(Relaxed), 1000 * (n + 1));
    time.into()
}

struct Turn {
    of: usize,
    done: [usize; 2],
}

/// tokio has no condition variable. Its users make one from a mutex and a Notify, as here.
async fn condition(n: usize) -> Timed {
    let turn = Arc::new(Mutex::new(Turn { of: 0, done: [0, 0] }));
    let changed = Arc::new([Notify::new(), Notify::new()]);
    let begin = Instant::now();
    let players = (0..2)
        .map(|me| {
            let (turn, changed) = (turn.clone(), changed.clone());
            spawn(async move {
                for _ in 0..n {
                    let mut turn_now = turn.lock().await;
                    while turn_now.of != me {
                        drop(turn_now);
                        changed[me].notified().await;
                        turn_now = turn.lock().await;
                    }
                    turn_now.done[me] += 1;
                    turn_now.of = 1 - me;
                    changed[1 - me].notify_one();
                }
            })
        })
        .collect();
    all(players).await;
    let time = begin.elapsed();
    let done = turn.lock().await.done;
    expect(done[0], n);
    expect(done[1], n);
    time.into()
}

async fn queue(n: usize, size: usize) -> Timed {
    let (put, mut get) = tokio::sync::mpsc::channel(size);
    let begin = Instant::now();
    let producer = spawn(async move {
        for i in 0..n {
            put.send(i).await.unwrap();
        }
    });
    let consumer = spawn(async move {
        let mut in_order = 0;
        for i in 0..n {
            in_order += usize::from(get.recv().await == Some(i));
        }
        in_order
    });
    producer.await.unwrap();
    let in_order = consumer.await.unwrap();
    let time = begin.elapsed();
    expect(in_order, n);
    time.into()
}

async fn sleepers(n: usize) -> Timed {
    const COUNT: u32 = 100_000;
    let (begin, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..n {
        let tasks = (0..COUNT)
            .map(|i| {
                let done = done.clone();
                spawn(async move {
                    sleep(Duration::from_millis(100) * (i + 1) / COUNT).await;
                    done.fetch_add(1, Relaxed);
                })
            })
            .collect();
        all(tasks).await;
    }
    let time = begin.elapsed();
    expect(done.load(Relaxed), COUNT as usize * n);
    time.into()
}

/// A timer is set when its sleep is first polled, and cancelled when it is dropped.
async fn call_later_cancel(n: usize) -> Timed {
    let (begin, mut set) = (Instant::now(), 0);
    for _ in 0..n {
        let mut timer = Box::pin(sleep(HOUR));
        std::future::poll_fn(|cx| {
            set += usize::from(timer.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(timer);
        if set % 1000 == 0 {
            yield_now().await;
        }
    }
    let time = begin.elapsed();
    expect(set, n);
    time.into()
}

async fn wait_for(n: usize) -> Timed {
    let (begin, mut total) = (Instant::now(), 0);
    for _ in 0..n {
        total += timeout(HOUR, spawn(answer())).await.unwrap().unwrap();
    }
    let time = begin.elapsed();
    expect(total, 42 * n);
    time.into()
}

/// tokio has no callbacks, so a task replaces a callback.
async fn call_soon(n: usize) -> Timed {
    let (done, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    fn callback(n: usize, done: Arc<AtomicUsize>, end: Arc<Notify>) {
        spawn(async move {
            done.fetch_add(1, Relaxed);
            if done.load(Relaxed) < n {
                callback(n, done, end);
            } else {
                end.notify_one();
            }
        });
    }
    let begin = Instant::now();
    callback(n, done.clone(), end.clone());
    end.notified().await;
    let time = begin.elapsed();
    expect(done.load(Relaxed), n);
    time.into()
}

/// A task replaces a callback here, too.
async fn call_soon_threadsafe(n: usize) -> Timed {
    handed_over(n, 1).await
}

async fn call_soon_threadsafe_batch(n: usize) -> Timed {
    handed_over(n, 1000).await
}

/// Times a thread that hands a number of tasks to the idle runtime and waits until the last has
/// run, n times.
async fn handed_over(n: usize, at_once: usize) -> Timed {
    let runtime = tokio::runtime::Handle::current();
    let done = Arc::new(AtomicUsize::new(0));
    let (told, counted) = (Arc::new(Notify::new()), done.clone());
    let ended = told.clone();
    let thread = std::thread::spawn(move || {
        let (ran, wait) = mpsc::channel();
        let begin = Instant::now();
        for _ in 0..n {
            for _ in 0..at_once {
                let (done, ran) = (done.clone(), ran.clone());
                runtime.spawn(async move {
                    if (done.fetch_add(1, Relaxed) + 1) % at_once == 0 {
                        ran.send(()).unwrap();
                    }
                });
            }
            wait.recv().unwrap();
        }
        let time = begin.elapsed();
        ended.notify_one();
        time
    });
    told.notified().await;
    let time = thread.join().unwrap();
    expect(counted.load(Relaxed), n * at_once);
    time.into()
}

async fn to_thread(n: usize) -> Timed {
    let (begin, mut total) = (Instant::now(), 0);
    for _ in 0..n {
        total += spawn_blocking(|| 42).await.unwrap();
    }
    let time = begin.elapsed();
    expect(total, 42 * n);
    time.into()
}

/// The process's resident memory in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    4096 * pages
}

async fn waiting(n: usize) -> Timed {
    const COUNT: usize = 100_000;
    let (begin, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut taken = 0;
    for i in 0..n {
        let (event, ready) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let before = resident();
        let tasks: Vec<_> = (0..COUNT)
            .map(|_| {
                let (event, ready, done) = (event.clone(), ready.clone(), done.clone());
                spawn(async move {
                    ready.fetch_add(1, Relaxed);
                    event.notified().await;
                    done.fetch_add(1, Relaxed);
                })
            })
            .collect();
        settle(&ready, COUNT).await;
        if i == 0 {
            taken = resident() - before;
        }
        event.notify_waiters();
        all(tasks).await;
    }
    let time = begin.elapsed();
    expect(done.load(Relaxed), COUNT * n);
    Timed { time, extra: format!(" {} B/task", taken / COUNT) }
}

fn run(workload: fn(usize) -> Run, n: usize) -> Timed {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { spawn(workload(n)).await.unwrap() })
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["list"] {
        WORKLOADS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    }
    let found = args.first().and_then(|name| WORKLOADS.iter().find(|(known, _)| known == name));
    let seconds = args.get(1).and_then(|s| s.parse::<f64>().ok());
    let (Some(&(name, workload)), Some(seconds), 2) = (found, seconds, args.len()) else {
        eprintln!("usage: tokio-workloads list | tokio-workloads WORKLOAD SECONDS");
        exit(2);
    };
    let mut n = 1;
    let mut timed = run(workload, n);
    while timed.time.as_secs_f64() < seconds {
        let enough = 1.2 * n as f64 * seconds / timed.time.as_secs_f64();
        n = (enough as usize).clamp(n + 1, 100 * n);
        timed = run(workload, n);
    }
    let each = timed.time.as_secs_f64() * 1e9 / n as f64;
    println!("Benchmark{name}/tokio {n} {each:.1} ns/op{}", timed.extra);
}
