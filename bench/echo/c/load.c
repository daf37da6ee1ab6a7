// The load generator opens connections. Each sends a message, waits until it comes back, compares
// it, and sends the next one. The program prints how long that took, and the server's CPU time by
// the CPU clock of the server's process.
//
//	load PORT PID CPU CONNECTIONS SIZE WARMUP REQUESTS
//
// With a CPU of its own the load never sleeps: it polls again and again, so that its speed
// does not depend on how fast it is woken, nor does the server pay for waking it. With a CPU
// of -1 it shares one with the server, and sleeps.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 256
#define MAX_SIZE 4096

struct connection {
	int fd;
	int got;          // bytes of the reply
	uint64_t sent_at; // when the request was sent
	char out[MAX_SIZE], in[MAX_SIZE];
};

static int size, connections, cpu;
static struct connection *all;
static int ep;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void fail(const char *what) {
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static uint64_t nanos(clockid_t clock) {
	struct timespec t;
	if (clock_gettime(clock, &t) < 0)
		die("clock_gettime");
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pin(void) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		die("sched_setaffinity");
}

static void open_connection(struct connection *c, int port) {
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = c};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
	for (int i = 0; i < size; i++)
		c->out[i] = (char)(i * 7 + c->fd);
}

// send_request sends a message that differs from all earlier ones, as far as its size allows.
static void send_request(struct connection *c, uint64_t number, uint64_t now) {
	memcpy(c->out, &number, size < 8 ? size : 8);
	c->sent_at = now;
	if (send(c->fd, c->out, size, MSG_NOSIGNAL) != size)
		die("send");
}

// receive reports whether a reply is complete.
static int receive(struct connection *c) {
	ssize_t n = recv(c->fd, c->in + c->got, size - c->got, 0);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		die("recv");
	if (n == 0)
		fail("the server has closed a connection");
	if ((c->got += n) < size)
		return 0;
	c->got = 0;
	if (memcmp(c->in, c->out, size) != 0)
		fail("a reply differs from what was sent");
	return 1;
}

// run makes the given number of requests and records how long each took.
static void run(uint64_t requests, uint32_t *latency) {
	struct epoll_event events[MAX_EVENTS];
	uint64_t sent = 0, done = 0;
	for (int i = 0; i < connections && sent < requests; i++)
		send_request(&all[i], sent++, nanos(CLOCK_MONOTONIC));
	while (done < requests) {
		int n = epoll_wait(ep, events, MAX_EVENTS, cpu >= 0 ? 0 : -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			if (!receive(c))
				continue;
			uint64_t now = nanos(CLOCK_MONOTONIC);
			latency[done++] = now - c->sent_at;
			if (sent < requests)
				send_request(c, sent++, now);
		}
	}
}

// cpu_time returns the CPU time of the server. While a process runs, its clock may be a tick
// behind, so cpu_time gives the server time to fall asleep.
static uint64_t cpu_time(clockid_t server) {
	struct timespec nap = {.tv_nsec = 2000000};
	nanosleep(&nap, NULL);
	return nanos(server);
}

static void refuse_more(void) {
	char extra;
	for (int i = 0; i < connections; i++)
		if (recv(all[i].fd, &extra, 1, 0) > 0)
			fail("the server has sent more than it was sent");
}

static int by_value(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv) {
	if (argc != 8)
		fail("usage: load PORT PID CPU CONNECTIONS SIZE WARMUP REQUESTS");
	int port = atoi(argv[1]);
	uint64_t warmup = strtoull(argv[6], NULL, 10), requests = strtoull(argv[7], NULL, 10);
	uint64_t most = warmup > requests ? warmup : requests;
	cpu = atoi(argv[3]);
	connections = atoi(argv[4]);
	size = atoi(argv[5]);
	if (size < 1 || size > MAX_SIZE || connections < 1 || requests < 1)
		fail("a number is out of range");
	clockid_t server;
	if (clock_getcpuclockid(atoi(argv[2]), &server) != 0)
		fail("there is no such process");
	if (cpu >= 0)
		pin();

	all = calloc(connections, sizeof *all);
	uint32_t *latency = malloc(most * sizeof *latency);
	ep = epoll_create1(0);
	if (all == NULL || latency == NULL || ep < 0)
		die("load");
	for (int i = 0; i < connections; i++)
		open_connection(&all[i], port);

	run(warmup, latency);
	uint64_t cpu_begin = cpu_time(server), begin = nanos(CLOCK_MONOTONIC);
	run(requests, latency);
	uint64_t end = nanos(CLOCK_MONOTONIC), cpu_end = cpu_time(server);
	refuse_more();

	qsort(latency, requests, sizeof *latency, by_value);
	printf("{\"requests\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu, \"p50_ns\": %u, \"p99_ns\": %u}\n",
	       (unsigned long long)requests, (unsigned long long)(end - begin), (unsigned long long)(cpu_end - cpu_begin),
	       latency[requests / 2], latency[requests * 99 / 100]);
	return 0;
}
