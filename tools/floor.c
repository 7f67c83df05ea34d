/* The I/O floor: what the kernel costs any event-loop server with one thread.
 *
 * Answers every REQUEST_BYTES bytes that come on a connection with REPLY_BYTES bytes: nothing is parsed, looked up or
 * allocated, and what comes with one read goes with one write. Used by tools/compare.py.
 *
 * usage: floor PORT REQUEST_BYTES REPLY_BYTES
 * build: cc -O2 -o floor floor.c    (Linux)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 65536, INPUT_BYTES = 64 << 10, EVENTS_MAX = 1024 };

static char input[INPUT_BYTES];
static char *output;
static size_t started_bytes[CONNECTIONS_MAX]; /* of a request that has come in part, by descriptor */
static size_t request_bytes, reply_bytes;

static void watch(int epoll, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)) { perror("epoll_ctl"); exit(1); }
}

static void take_connections(int epoll, int listener) {
    int one = 1, descriptor;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (descriptor >= CONNECTIONS_MAX) { close(descriptor); continue; }
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        started_bytes[descriptor] = 0;
        watch(epoll, descriptor);
    }
}

/* redis-benchmark asks for some settings first, on a connection of its own, and wants as many answers. */
static size_t settings_asked(size_t count) {
    static const char mark[] = "*3\r\n$6\r\nCONFIG\r\n";
    size_t asked = 0;
    char *at = input;
    while ((at = memmem(at, (size_t)(input + count - at), mark, sizeof mark - 1))) { asked++; at++; }
    return asked;
}

static void answer(int descriptor) {
    ssize_t count = read(descriptor, input, sizeof input);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) { close(descriptor); return; }
    size_t questions = count < (ssize_t)sizeof input ? settings_asked((size_t)count) : 0;
    if (questions) {
        if (write(descriptor, output, questions * reply_bytes) < 0) close(descriptor);
        return;
    }
    size_t have = started_bytes[descriptor] + (size_t)count;
    started_bytes[descriptor] = have % request_bytes;
    size_t bytes = have / request_bytes * reply_bytes;
    /* A client that does not read is not what is measured here. */
    if (bytes && write(descriptor, output, bytes) < 0) close(descriptor);
}

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "usage: floor PORT REQUEST_BYTES REPLY_BYTES\n"); return 2; }
    request_bytes = strtoul(argv[2], NULL, 10);
    reply_bytes = strtoul(argv[3], NULL, 10);
    size_t most = (INPUT_BYTES / (request_bytes ? request_bytes : 1) + 8) * reply_bytes;
    if (!request_bytes || !(output = malloc(most))) { fprintf(stderr, "floor: bad sizes\n"); return 2; }
    /* A short string, whatever its size: load generators take it for a reply. */
    for (size_t at = 0; at < most; at++) {
        size_t left = reply_bytes - at % reply_bytes;
        output[at] = left == reply_bytes ? '+' : left == 2 ? '\r' : left == 1 ? '\n' : 'x';
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) { perror("floor"); return 1; }
    int epoll = epoll_create1(0);
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor == listener) take_connections(epoll, listener);
            else answer(descriptor);
        }
    }
}
