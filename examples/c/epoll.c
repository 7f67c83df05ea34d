// A program with an epoll loop of its own, in which a server is one more descriptor.
//
//     cc -pthread examples/c/epoll.c -lpentad -o epoll && ./epoll
//
// The loop has a timer of the program's own: each tick writes a key that clients read over the socket. The client is a
// thread here, so that the example needs nothing else; it ends the program with SHUTDOWN.
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "pentad.h"

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : pentad_last_error());
    exit(1);
}

static void watch(int epoll, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

// What the program does ten times a second: a key in the server, without a socket.
static void tick(pentad_server *server) {
    const char *argv[] = {"INCR", "ticks"};
    pentad_reply *reply = pentad_execute(server, 2, argv, NULL);
    if (reply == NULL || reply->kind != PENTAD_TYPE_INTEGER) fail("INCR");
    pentad_reply_free(reply);
}

// Any Redis client, anywhere: asks until three ticks have gone, and then ends the server. Gives what it says at last.
static void *client(void *port_at) {
    int port = *(int *)port_at;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0) return "connect";
    char reply[64];
    for (;;) {
        if (write(server, "GET ticks\r\n", 11) != 11) return "write";
        ssize_t len = read(server, reply, sizeof reply - 1);
        if (len <= 0) return "read";
        reply[len] = 0;
        // "$1\r\n3\r\n", or "$-1\r\n" while there is no such key.
        char *line = strchr(reply, '\n');
        if (line != NULL && atoi(line + 1) >= 3) break;
        usleep(20 * 1000);
    }
    int sent = write(server, "SHUTDOWN NOSAVE\r\n", 17) == 17;
    close(server);
    return sent ? NULL : "write";
}

int main(void) {
    const char *listen[] = {"resp://127.0.0.1:0"};
    pentad_options options = {.listen = listen, .listen_count = 1};
    pentad_server *server = pentad_open(&options);
    if (server == NULL) fail("pentad_open");
    int port = pentad_port(server, 0);
    printf("redis-cli -p %d get ticks\n", port);
    fflush(stdout);
    pthread_t thread;
    if (pthread_create(&thread, NULL, client, &port) != 0) fail("pthread_create");

    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec often = {.it_value.tv_nsec = 100 * 1000 * 1000, .it_interval.tv_nsec = 100 * 1000 * 1000};
    if (timer < 0 || timerfd_settime(timer, 0, &often, NULL) != 0) fail("timerfd");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail("epoll_create1");
    watch(epoll, timer);
    watch(epoll, pentad_fd(server));

    while (!pentad_stopping(server)) {
        struct epoll_event events[8];
        int count = epoll_wait(epoll, events, 8, pentad_next_timeout(server));
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == timer) {
                uint64_t times;
                if (read(timer, &times, sizeof times) == sizeof times) tick(server);
            }
        }
        // It never waits here, and does nothing when there is nothing to do.
        if (pentad_turn(server, 0) != 0) fail("pentad_turn");
    }
    // Answers what has been received.
    if (pentad_run(server, 1000) < 0) fail("pentad_run");
    pentad_close(server);
    close(timer);
    close(epoll);
    void *failed;
    if (pthread_join(thread, &failed) != 0 || failed != NULL) fail(failed ? failed : "pthread_join");
    puts("ok");
    return 0;
}
