/*
 * pentad: a server with one keyspace and five protocols (RESP, which is Redis's, among them), linked into a program.
 *
 * Made of src/capi.rs by tools/header: change that.
 *
 *     const char *listen[] = {"resp://127.0.0.1:0"};
 *     pentad_options options = {.listen = listen, .listen_count = 1};
 *     pentad_server *server = pentad_open(&options);
 *     if (!server) { fprintf(stderr, "%s\n", pentad_last_error()); exit(1); }
 *     printf("port %d\n", pentad_port(server, 0));
 *     pentad_run(server, 5000);            // until pentad_stop; or pentad_turn in a loop of the program's own
 *     pentad_close(server);
 *
 * A server belongs to no thread, but only one may use it at a time: another gets an error. pentad_stop and pentad_wake
 * are for all threads and for signal handlers.
 */

#ifndef PENTAD_H
#define PENTAD_H

#include <stddef.h>
#include <stdint.h>

/**
 * What a reply is: the types of RESP3.
 */
typedef enum pentad_type {
  /**
   * Nothing, where there could be a value.
   */
  PENTAD_TYPE_NULL,
  /**
   * An error: `text` is its code and why.
   */
  PENTAD_TYPE_ERROR,
  /**
   * A short text, such as OK.
   */
  PENTAD_TYPE_SIMPLE,
  /**
   * A byte string.
   */
  PENTAD_TYPE_BULK,
  /**
   * Text for people.
   */
  PENTAD_TYPE_VERBATIM,
  /**
   * An integer of any size: `text` is its decimal.
   */
  PENTAD_TYPE_BIG_NUMBER,
  /**
   * An integer.
   */
  PENTAD_TYPE_INTEGER,
  /**
   * A truth value: `integer` is 1 or 0.
   */
  PENTAD_TYPE_BOOLEAN,
  /**
   * A floating-point number.
   */
  PENTAD_TYPE_DOUBLE,
  /**
   * Values in order.
   */
  PENTAD_TYPE_ARRAY,
  /**
   * Values whose order means nothing.
   */
  PENTAD_TYPE_SET,
  /**
   * Pairs: key, value, key, value ...
   */
  PENTAD_TYPE_MAP,
  /**
   * A message that is no reply.
   */
  PENTAD_TYPE_PUSH,
} pentad_type;

/**
 * A server. One thread may use it at a time; any may stop or wake it meanwhile.
 */
typedef struct pentad_server pentad_server;

/**
 * How a server is to be. Zeros and null pointers are the defaults: begin with `pentad_options options = {0};`.
 */
typedef struct pentad_options {
  /**
   * Where to listen, as URLs: "resp://127.0.0.1:6379", "metrics+unix:///run/metrics.sock" ... Port 0 takes a free one.
   */
  const char *const *listen;
  /**
   * How many URLs there are. None: nobody can connect, and the data is the program's alone.
   */
  size_t listen_count;
  /**
   * Numbered databases, 1 to 128; 0: 16.
   */
  uint8_t databases;
  /**
   * Connections at the same time; 0: 10000.
   */
  size_t clients_max;
  /**
   * Bytes of one request, and of one string value; 0: 512 MiB.
   */
  size_t request_bytes_max;
  /**
   * What random choices and hashes begin with, so that they are the same in each run; 0: something from the system.
   */
  uint64_t seed;
  /**
   * The directory in whose files all data is kept, made if it is missing; null: data is in memory only. What is there
   * is loaded by pentad_open. What clients change is on the disk as `fsync` says, what pentad_execute changes with the
   * next pentad_turn.
   */
  const char *data;
  /**
   * When changes are on the disk: "always" before they are answered, "everysec" (and null) a second later at most, "no"
   * when the system likes.
   */
  const char *fsync;
  /**
   * Other than 0: a thread of the library's own syncs those files once a second, and no turn waits for the disk then. 0:
   * the library has no thread.
   */
  uint8_t sync_thread;
  /**
   * What CONFIG SET can set, names and values in turn: "maxmemory", "100mb", "tls-cert-file", "server.pem" ... It is set
   * before anything listens.
   */
  const char *const *settings;
  /**
   * How many strings these are: two for each setting.
   */
  size_t settings_count;
} pentad_options;

/**
 * A reply. What does not belong to its type is 0 and null.
 */
typedef struct pentad_reply {
  /**
   * What it is.
   */
  enum pentad_type kind;
  /**
   * The integer, or the truth value.
   */
  int64_t integer;
  /**
   * The floating-point number.
   */
  double number;
  /**
   * The bytes of a text; behind them is a zero byte that does not count.
   */
  const char *text;
  /**
   * How many bytes the text has.
   */
  size_t len;
  /**
   * The values in it; of a map, key and value in turn.
   */
  const struct pentad_reply *items;
  /**
   * How many there are: twice the pairs of a map.
   */
  size_t count;
} pentad_reply;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a server: loads its data, if any is kept, and binds its listeners. Nobody is served before the first turn.
 *
 * `options` may be null, for the defaults and no listeners. Gives null when it cannot be opened (see
 * pentad_last_error). To be closed with pentad_close.
 *
 * The caller sees to this:
 * `options` is null or points to options, whose `listen` and `settings` point to so many strings; `data` and `fsync` are
 * strings or null.
 */
struct pentad_server *pentad_open(const struct pentad_options *options);

/**
 * Closes a server at once: listeners, connections, data, which is on the disk then if it is kept at all. To have clients
 * answered first, pentad_stop and pentad_run. Null is ignored. Gives 0; 1 when it is closed, and not all data could be
 * written (see pentad_last_error); -1 when another thread is using it: then it stays open.
 *
 * The caller sees to this:
 * `server` is null or what pentad_open gave, and is not used afterwards.
 */
int pentad_close(struct pentad_server *server);

/**
 * One turn of the loop: waits for something to do for so many ms at most (-1: as long as it takes; 0: not at all), and
 * does it. Gives 0, or -1 when the system's poller fails.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_turn(struct pentad_server *server, int timeout_ms);

/**
 * Turns until the server is stopped; then accepts no more and answers what has been received, for so many ms at most.
 * Gives 0 when all was sent, 1 when some was not, -1 when it failed.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_run(struct pentad_server *server, uint32_t grace_ms);

/**
 * Asks the server to end: pentad_run returns soon, pentad_stopping gives 1. From any thread, or a signal handler.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
void pentad_stop(const struct pentad_server *server);

/**
 * Ends the wait that a turn is in. From any thread, or a signal handler.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
void pentad_wake(const struct pentad_server *server);

/**
 * Whether the end was asked for, by pentad_stop or by a client (SHUTDOWN): 1 or 0. A program that turns the server
 * itself calls pentad_run then, which only answers what is left. -1 when the server cannot be used.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_stopping(const struct pentad_server *server);

/**
 * The descriptor of the server's poller, to be watched for reading in the program's own (level-triggered): when it is
 * readable, or pentad_next_timeout is over, there is a turn to make. -1 where the system has none.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_fd(const struct pentad_server *server);

/**
 * How many ms the server can be left alone while its descriptor is not readable, as epoll_wait and poll take it: -1 as
 * long as it takes, 0 not at all. To be asked anew before each wait.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_next_timeout(const struct pentad_server *server);

/**
 * The port of a listener, which are numbered from 0 in the order of the options. -1 when there is none, or it has no
 * port.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_port(const struct pentad_server *server, size_t listener);

/**
 * The address of a listener, "127.0.0.1:41234" or a path; null when there is none. It lives as long as the server.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
const char *pentad_address(const struct pentad_server *server, size_t listener);

/**
 * Sets the database that pentad_execute works in; 0 at first. Gives 0, or -1 when there is no such database.
 *
 * The caller sees to this:
 * `server` is null or open.
 */
int pentad_select(struct pentad_server *server, uint8_t db);

/**
 * Runs a command as a client would, at once and without a connection, and gives its reply, an error reply too.
 *
 * The arguments, the command's name first, are `argc` pointers in `argv` with their lengths in `argvlen`, and may hold
 * any bytes; without `argvlen` (null) each ends with a zero byte. Commands that need a conversation (MULTI, SUBSCRIBE ...)
 * are refused, those that would wait (BLPOP ...) answer at once.
 *
 * Null when no command could be run (see pentad_last_error). To be freed with pentad_reply_free.
 *
 * The caller sees to this:
 * `server` is null or open; `argv` and `argvlen` (or null) point to `argc` values, and each argument to its length of
 * bytes.
 */
struct pentad_reply *pentad_execute(struct pentad_server *server,
                                    size_t argc,
                                    const char *const *argv,
                                    const size_t *argvlen);

/**
 * Frees a reply that pentad_execute gave, and all that is in it. Null is ignored.
 *
 * The caller sees to this:
 * `reply` is null or what pentad_execute gave (not an item of it), and is not used afterwards.
 */
void pentad_reply_free(struct pentad_reply *reply);

/**
 * Why the last call on this thread that failed did; an empty text before that. It lives until the next that fails.
 */
const char *pentad_last_error(void);

/**
 * The version of the library, "1.2.3". It lives for ever.
 */
const char *pentad_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PENTAD_H */
