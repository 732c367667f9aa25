// limit: the least that a WebSocket echo client can do, as the mark that the load
// generator is measured against. One thread, one epoll instance, one read and one
// write a message. It masks with a fixed key, checks no answer but its length, keeps
// no time and no histogram.
//
//	gcc -O2 -o limit limit.c && ./limit ADDRESS PORT CONNECTIONS PAYLOAD_BYTES SECONDS
//
// It opens its connections, says "ready", waits for a line (or the end) of its input,
// then keeps one message in flight on every connection for so many seconds, and takes
// the last answers. It prints: messages, CPU ns, wall ns, epoll_waits, reads, writes.
// CPU is what the process used from the line to the last answer.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static long clock_ns(clockid_t id) {
	struct timespec t;
	clock_gettime(id, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void need(int good, const char *what) {
	if (good) return;
	fprintf(stderr, "limit: %s: %s\n", what, errno ? strerror(errno) : "not as it should be");
	exit(1);
}

static int upgraded(struct sockaddr_in *to, const char *request) {
	char answer[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, n = 0;
	need(fd >= 0, "socket");
	need(!connect(fd, (struct sockaddr *)to, sizeof *to), "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	need(write(fd, request, strlen(request)) == (ssize_t)strlen(request), "request");
	while (n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4)) {
		int got = read(fd, answer + n, sizeof answer - n);
		need(got > 0, "response");
		n += got;
	}
	need(!memcmp(answer, "HTTP/1.1 101 ", 13), "status 101");
	return fd;
}

int main(int argc, char **argv) {
	need(argc == 6, "usage: limit ADDRESS PORT CONNECTIONS PAYLOAD_BYTES SECONDS");
	int conns = atoi(argv[3]), size = atoi(argv[4]), header = size < 126 ? 6 : 8, *got, *fds;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	need(inet_pton(AF_INET, argv[1], &to.sin_addr) == 1, "address");
	need(conns > 0 && size > 0 && size < 65536, "1 connection or more of 1 to 65535 bytes");
	char request[512], in[65536], *frame = malloc(header + size);
	snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", argv[1]);
	unsigned char head[8] = {0x82, 0x80 | size}, mask[4] = {1, 2, 3, 4};
	if (header == 8) head[1] = 0xfe, head[2] = size >> 8, head[3] = size;
	memcpy(frame, head, header - 4);
	memcpy(frame + header - 4, mask, 4);
	for (int i = 0; i < size; i++) frame[header + i] = 'x' ^ mask[i & 3];

	int ep = epoll_create1(0), answer = header - 4 + size, out = header + size; // the answer has no mask
	fds = calloc(conns, sizeof *fds), got = calloc(conns, sizeof *got);
	for (int i = 0; i < conns; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
		fds[i] = upgraded(&to, request);
		need(!epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e), "epoll_ctl");
	}
	puts("ready"), fflush(stdout);
	if (getchar() == EOF) clearerr(stdin);

	long messages = 0, waits = 0, reads = 0, writes = 0;
	long wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), end = wall + atol(argv[5]) * 1000000000L;
	for (int i = 0; i < conns; i++, writes++) need(write(fds[i], frame, out) == out, "write");
	for (int left = conns, over = 0; left > 0;) {
		struct epoll_event ready[256];
		int n = epoll_wait(ep, ready, 256, 10000);
		need(n > 0, "epoll_wait");
		waits++;
		over = over || clock_ns(CLOCK_MONOTONIC) >= end;
		for (int i = 0; i < n; i++) {
			int c = ready[i].data.u32, len = read(fds[c], in, sizeof in);
			need(len > 0, "read");
			reads++;
			if ((got[c] += len) < answer) continue;
			need(got[c] == answer, "an answer of another length");
			got[c] = 0, messages++;
			if (over) { left--; continue; }
			need(write(fds[c], frame, out) == out, "write");
			writes++;
		}
	}
	printf("%ld %ld %ld %ld %ld %ld\n", messages, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu,
		clock_ns(CLOCK_MONOTONIC) - wall, waits, reads, writes);
	return 0;
}
