/* chat server: passes on what users say, and hands out shared files.
 *
 *     gcc -Wall -pthread -o server server.c && ./server PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Stands where your code is missing. What it returns here, yours must give. */
static int gap(int number, const char *what, ...)
{
    fprintf(stderr, "gap %d is open: %s\n", number, what);
    exit(1);
}

#define MAX_USERS 100
#define MAX_NAME 33
#define MAX_LINE 4097

/* Who is connected. Every thread uses it, so: lock first. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct user {
    int connection; /* 0: this place is free */
    char name[MAX_NAME];
} users[MAX_USERS];

static const char *shared(void)
{
    const char *folder = getenv("SERVER_SHARED_FILES");
    return folder ? folder : "SharedFiles";
}

/* A line for every connected user, but one. */
static void tell_all(const char *line, const struct user *but)
{
    gap(5, "send the line to each user; one who is gone must not stop the others", users, &lock, but, line);
}

/* One line of one user. Choose your own commands; these are netlab's. */
static void handle(struct user *user, char *line)
{
    char said[MAX_LINE + MAX_NAME + 4];
    if (strncmp(line, "/msg ", 5) == 0) {
        gap(6, "send it to that user alone; tell the sender if there is no such user", user, line + 5);
    } else if (strcmp(line, "/files") == 0) {
        gap(7, "send how many files there are, then each name (opendir, readdir)", user, shared());
    } else if (strncmp(line, "/get ", 5) == 0) {
        gap(8, "send the size of the file, then its bytes (stat, fread); no name with a / in it", user, line + 5);
    } else {
        snprintf(said, sizeof said, "<%s> %s\n", user->name, line);
        tell_all(said, user);
    }
}

/* One client's thread, from its welcome to its leaving. */
static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char line[MAX_LINE];
    FILE *lines = fdopen(dup(connection), "r");
    gap(3, "send the welcome, and ask for a name", connection);
    struct user *user = NULL;
    gap(4, "take the first line as a name that nobody else has, and tell all that NAME has joined", lines, &user);
    while (fgets(line, sizeof line, lines)) {
        line[strcspn(line, "\r\n")] = 0;
        if (strcmp(line, "/quit") == 0)
            break;
        handle(user, line);
    }
    fclose(lines);
    gap(9, "forget the user, tell all others that NAME has left, close", user);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    int port = atoi(argv[1]);
    signal(SIGPIPE, SIG_IGN); /* send to a client that is gone fails, and does not end us */

    int listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port);
    printf("listening on port %d\n", port);
    fflush(stdout);

    for (;;) {
        int connection = gap(2, "the next client (accept); print its IP address and port, and flush", listener);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
        else
            close(connection);
    }
}
