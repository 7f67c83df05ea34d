// All functions of pentad.h, used as they are meant to be, and as they are not.
#define _DEFAULT_SOURCE

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pentad.h"

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            printf("%s:%d: %s does not hold (%s)\n", __FILE__, __LINE__, #condition,           \
                   pentad_last_error());                                                       \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

// Runs a command of up to 4 words.
static pentad_reply *run(pentad_server *server, const char *a, const char *b, const char *c, const char *d) {
    const char *argv[] = {a, b, c, d};
    size_t argc = 0;
    while (argc < 4 && argv[argc] != NULL) argc++;
    return pentad_execute(server, argc, argv, NULL);
}

static void expect_text(pentad_server *server, pentad_type kind, const char *text, const char *a, const char *b,
                        const char *c, const char *d) {
    pentad_reply *reply = run(server, a, b, c, d);
    CHECK(reply != NULL);
    if (reply->kind != kind || strcmp(reply->text, text) != 0) {
        printf("%s %s: kind %d, text %s\n", a, b ? b : "", reply->kind, reply->text ? reply->text : "(none)");
        exit(1);
    }
    CHECK(reply->len == strlen(text));
    pentad_reply_free(reply);
}

static void replies(void) {
    pentad_options options = {.databases = 4, .seed = 7};
    pentad_server *server = pentad_open(&options);
    CHECK(server != NULL);

    expect_text(server, PENTAD_TYPE_SIMPLE, "OK", "SET", "greeting", "hello", NULL);
    expect_text(server, PENTAD_TYPE_BULK, "hello", "GET", "greeting", NULL, NULL);
    expect_text(server, PENTAD_TYPE_ERROR, "WRONGTYPE Operation against a key holding the wrong kind of value", "LPUSH",
                "greeting", "x", NULL);
    expect_text(server, PENTAD_TYPE_ERROR, "ERR 'multi' needs a connection", "MULTI", NULL, NULL, NULL);

    // Any bytes, none among them.
    const char *argv[] = {"SET", "a\0b\r\n", "\0\xff\n"};
    const size_t lengths[] = {3, 5, 3};
    pentad_reply *reply = pentad_execute(server, 3, argv, lengths);
    CHECK(reply != NULL && reply->kind == PENTAD_TYPE_SIMPLE);
    pentad_reply_free(reply);
    argv[0] = "GET";
    reply = pentad_execute(server, 2, argv, lengths);
    CHECK(reply->kind == PENTAD_TYPE_BULK && reply->len == 3 && memcmp(reply->text, "\0\xff\n", 4) == 0);
    pentad_reply_free(reply);
    const char *empty[] = {"ECHO", NULL};
    const size_t empty_lengths[] = {4, 0};
    reply = pentad_execute(server, 2, empty, empty_lengths);
    CHECK(reply->kind == PENTAD_TYPE_BULK && reply->len == 0 && reply->text[0] == 0);
    pentad_reply_free(reply);

    // Every type.
    reply = run(server, "GET", "nothing", NULL, NULL);
    CHECK(reply->kind == PENTAD_TYPE_NULL && reply->text == NULL && reply->items == NULL && reply->count == 0);
    pentad_reply_free(reply);
    reply = run(server, "INCRBY", "n", "-42", NULL);
    CHECK(reply->kind == PENTAD_TYPE_INTEGER && reply->integer == -42);
    pentad_reply_free(reply);
    pentad_reply_free(run(server, "ZADD", "board", "1.5", "ada"));
    reply = run(server, "ZSCORE", "board", "ada", NULL);
    CHECK(reply->kind == PENTAD_TYPE_DOUBLE && reply->number == 1.5);
    pentad_reply_free(reply);
    pentad_reply_free(run(server, "SADD", "tags", "maths", NULL));
    reply = run(server, "SMEMBERS", "tags", NULL, NULL);
    CHECK(reply->kind == PENTAD_TYPE_SET && reply->count == 1 && strcmp(reply->items[0].text, "maths") == 0);
    pentad_reply_free(reply);
    pentad_reply_free(run(server, "HSET", "ada", "born", "1815"));
    reply = run(server, "HGETALL", "ada", NULL, NULL);
    CHECK(reply->kind == PENTAD_TYPE_MAP && reply->count == 2);
    CHECK(strcmp(reply->items[0].text, "born") == 0 && strcmp(reply->items[1].text, "1815") == 0);
    pentad_reply_free(reply);
    reply = run(server, "COMMAND", "INFO", "get", "nonsense");
    CHECK(reply->kind == PENTAD_TYPE_ARRAY && reply->count == 2 && reply->items[1].kind == PENTAD_TYPE_NULL);
    CHECK(reply->items[0].count == 10 && strcmp(reply->items[0].items[0].text, "get") == 0);
    pentad_reply_free(reply);
    reply = run(server, "LRANGE", "nothing", "0", "-1");
    CHECK(reply->kind == PENTAD_TYPE_ARRAY && reply->count == 0);
    pentad_reply_free(reply);
    reply = run(server, "INFO", "server", NULL, NULL);
    CHECK(reply->kind == PENTAD_TYPE_VERBATIM && strstr(reply->text, "server_name:pentad") != NULL);
    pentad_reply_free(reply);

    // Databases are apart.
    CHECK(pentad_select(server, 3) == 0);
    expect_text(server, PENTAD_TYPE_SIMPLE, "OK", "SET", "there", "1", NULL);
    CHECK(pentad_select(server, 4) == -1 && strstr(pentad_last_error(), "no database 4") != NULL);
    expect_text(server, PENTAD_TYPE_BULK, "1", "GET", "there", NULL, NULL);
    CHECK(pentad_select(server, 0) == 0);
    reply = run(server, "EXISTS", "there", NULL, NULL);
    CHECK(reply->integer == 0);
    pentad_reply_free(reply);
    CHECK(pentad_close(server) == 0);
}

static void null_pointers_and_other_mistakes(void) {
    CHECK(pentad_turn(NULL, 0) == -1 && strstr(pentad_last_error(), "null pointer") != NULL);
    CHECK(pentad_run(NULL, 0) == -1);
    CHECK(pentad_fd(NULL) == -1);
    CHECK(pentad_next_timeout(NULL) == 0);
    CHECK(pentad_port(NULL, 0) == -1);
    CHECK(pentad_address(NULL, 0) == NULL);
    CHECK(pentad_stopping(NULL) == -1);
    CHECK(pentad_select(NULL, 0) == -1);
    CHECK(pentad_execute(NULL, 0, NULL, NULL) == NULL);
    CHECK(pentad_close(NULL) == 0);
    pentad_stop(NULL);
    pentad_wake(NULL);
    pentad_reply_free(NULL);

    const char *urls[] = {"resp://127.0.0.1:0", NULL, "nonsense", "resp://127.0.0.1:0?db=99", "\xff"};
    pentad_options options = {.listen = urls, .listen_count = 2};
    CHECK(pentad_open(&options) == NULL && strstr(pentad_last_error(), "listen[1] is a null pointer") != NULL);
    options.listen = NULL;
    CHECK(pentad_open(&options) == NULL);
    for (int bad = 2; bad < 5; bad++) {
        options.listen = urls + bad;
        options.listen_count = 1;
        CHECK(pentad_open(&options) == NULL && strlen(pentad_last_error()) > 0);
    }
    const char *settings[] = {"tls-auth-clients", "no", "tls-cert-file", "cert.pem", "tls-key-file", "key.pem", NULL};
    pentad_options set = {.settings = settings, .settings_count = 6};
    CHECK(pentad_open(&set) == NULL && strstr(pentad_last_error(), "key.pem: ") != NULL);
    set.settings_count = 5;
    CHECK(pentad_open(&set) == NULL && strstr(pentad_last_error(), "without a value") != NULL);
    set.settings_count = 7;
    CHECK(pentad_open(&set) == NULL && strstr(pentad_last_error(), "settings[6] is a null pointer") != NULL);
    pentad_options too_many = {.databases = 200};
    CHECK(pentad_open(&too_many) == NULL && strstr(pentad_last_error(), "databases is 200") != NULL);

    pentad_server *server = pentad_open(NULL);
    CHECK(server != NULL);
    CHECK(pentad_execute(server, 2, NULL, NULL) == NULL);
    const char *argv[] = {"GET", NULL};
    CHECK(pentad_execute(server, 2, argv, NULL) == NULL && strstr(pentad_last_error(), "argument 1") != NULL);
    pentad_reply *reply = pentad_execute(server, 0, NULL, NULL);
    CHECK(reply != NULL && reply->kind == PENTAD_TYPE_ERROR);
    pentad_reply_free(reply);
    CHECK(pentad_port(server, 0) == -1 && pentad_address(server, 0) == NULL);
    CHECK(pentad_next_timeout(server) == -1);
    CHECK(pentad_stopping(server) == 0);
    CHECK(pentad_close(server) == 0);
}

static int connected(const pentad_server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)pentad_port(server, 0))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    return client;
}

static void *run_until_stopped(void *server) {
    return (void *)(intptr_t)pentad_run(server, 5000);
}

static void a_thread_of_its_own(void) {
    const char *urls[] = {"resp://127.0.0.1:0"};
    pentad_options options = {.listen = urls, .listen_count = 1};
    pentad_server *server = pentad_open(&options);
    CHECK(server != NULL && pentad_port(server, 0) > 0);
    CHECK(strncmp(pentad_address(server, 0), "127.0.0.1:", 10) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_until_stopped, server) == 0);

    int client = connected(server);
    CHECK(write(client, "PING\r\n", 6) == 6);
    char reply[7];
    CHECK(recv(client, reply, 7, MSG_WAITALL) == 7 && memcmp(reply, "+PONG\r\n", 7) == 0);

    // Whoever else uses it meanwhile gets an error, and so does who closes it.
    CHECK(pentad_turn(server, 0) == -1 && strstr(pentad_last_error(), "in use by another thread") != NULL);
    CHECK(pentad_close(server) == -1);

    pentad_wake(server);
    CHECK(write(client, "ECHO bye\r\n", 10) == 10);
    pentad_stop(server);
    char last[16] = {0};
    CHECK(recv(client, last, 9, MSG_WAITALL) == 9 && memcmp(last, "$3\r\nbye\r\n", 9) == 0);
    CHECK(recv(client, last, 1, 0) == 0);
    close(client);
    void *result;
    CHECK(pthread_join(thread, &result) == 0 && (intptr_t)result == 0);
    CHECK(pentad_stopping(server) == 1);
    CHECK(pentad_close(server) == 0);
}

// A client that goes while it is being answered must not end the process: SIGPIPE is as the system sets it.
static void clients_that_break_off(void) {
    char path[] = "/tmp/pentad-capi-XXXXXX";
    CHECK(mkdtemp(path) != NULL);
    char unix_path[64], url[80];
    snprintf(unix_path, sizeof unix_path, "%s/s", path);
    snprintf(url, sizeof url, "resp+unix://%s", unix_path);
    const char *urls[] = {"resp://127.0.0.1:0", url};
    pentad_options options = {.listen = urls, .listen_count = 2};
    pentad_server *server = pentad_open(&options);
    CHECK(server != NULL);
    CHECK(strcmp(pentad_address(server, 1), unix_path) == 0 && pentad_port(server, 1) == -1);
    for (int round = 0; round < 10; round++) {
        int clients[2] = {connected(server), socket(AF_UNIX, SOCK_STREAM, 0)};
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, unix_path);
        CHECK(connect(clients[1], (struct sockaddr *)&address, sizeof address) == 0);
        pentad_turn(server, 100);
        pentad_turn(server, 0);
        for (int which = 0; which < 2; which++) {
            CHECK(write(clients[which], "PING\r\nPING\r\n", 12) == 12);
            close(clients[which]);
        }
        for (int turn = 0; turn < 5; turn++) CHECK(pentad_turn(server, 0) == 0);
    }
    CHECK(pentad_close(server) == 0);
    CHECK(access(unix_path, F_OK) != 0 && rmdir(path) == 0);
}

// The library knows how much memory is in use, and what to do about it.
static void memory_that_is_limited(void) {
    const char *settings[] = {"maxmemory", "8mb", "maxmemory-policy", "allkeys-lru"};
    pentad_options options = {.settings = settings, .settings_count = 4};
    pentad_server *server = pentad_open(&options);
    CHECK(server != NULL);
    static char value[100001];
    memset(value, 'v', sizeof value - 1);
    for (int number = 0; number < 200; number++) {
        char key[20];
        snprintf(key, sizeof key, "key:%d", number);
        expect_text(server, PENTAD_TYPE_SIMPLE, "OK", "SET", key, value, NULL);
        CHECK(pentad_turn(server, 0) == 0);
    }
    pentad_reply *reply = run(server, "DBSIZE", NULL, NULL, NULL);
    CHECK(reply != NULL && reply->integer >= 40 && reply->integer <= 80);
    pentad_reply_free(reply);
    CHECK(pentad_close(server) == 0);
}

static void data_that_is_kept(void) {
    char path[] = "/tmp/pentad-capi-XXXXXX";
    CHECK(mkdtemp(path) != NULL);
    char files[80], command[100];
    snprintf(files, sizeof files, "%s/data", path);
    pentad_options options = {.data = files, .fsync = "always"};
    for (int start = 1; start <= 3; start++) {
        options.sync_thread = start == 2;
        pentad_server *server = pentad_open(&options);
        CHECK(server != NULL);
        pentad_reply *reply = run(server, "INCR", "starts", NULL, NULL);
        CHECK(reply != NULL && reply->kind == PENTAD_TYPE_INTEGER && reply->integer == start);
        pentad_reply_free(reply);
        CHECK(pentad_open(&options) == NULL && strstr(pentad_last_error(), "in use") != NULL);
        CHECK(pentad_close(server) == 0);
    }
    options.fsync = "sometimes";
    CHECK(pentad_open(&options) == NULL && strstr(pentad_last_error(), "always, everysec or no") != NULL);
    options.fsync = NULL;
    options.data = "/dev/null/data";
    CHECK(pentad_open(&options) == NULL && strstr(pentad_last_error(), "/dev/null/data") != NULL);
    snprintf(command, sizeof command, "rm -r %s", path);
    CHECK(system(command) == 0);
}

int main(void) {
    CHECK(strlen(pentad_last_error()) == 0);
    CHECK(pentad_version()[0] >= '0' && strchr(pentad_version(), '.') != NULL);
    replies();
    null_pointers_and_other_mistakes();
    a_thread_of_its_own();
    clients_that_break_off();
    memory_that_is_limited();
    data_that_is_kept();
    puts("ok");
    return 0;
}
