/* chat client: sends what you type, and shows what others say.
 *
 *     gcc -Wall -pthread -o client client.c && ./client USERNAME HOST PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
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

static const char *user;
static int sock;

/* A download: exactly so many bytes, into a folder named after the user. */
static void save_file(FILE *lines, const char *name, long size)
{
    char path[5000];
    mkdir(user, 0755);
    snprintf(path, sizeof path, "%s/%s", user, name);
    gap(5, "read exactly size bytes (fread) and write them to the path", lines, path, size);
    printf("saved %s, %ld bytes\n", path, size);
    fflush(stdout);
}

/* The second thread: shows what comes while you type. */
static void *receive(void *unused)
{
    (void)unused;
    FILE *lines = fdopen(dup(sock), "r");
    char line[4200], name[256] = "";
    long size = 0;
    while (fgets(line, sizeof line, lines)) {
        if (gap(3, "is this line the beginning of a file?", line)) {
            gap(4, "the file's name (without any /) and size, from that line", line, name, &size);
            save_file(lines, name, size);
        } else {
            fputs(line, stdout);
            fflush(stdout);
        }
    }
    fprintf(stderr, "error: the server has closed the connection\n");
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: client USERNAME HOST PORT\n");
        return 2;
    }
    user = argv[1];
    const char *host = argv[2], *port = argv[3];

    sock = gap(1, "a connection to the server; if there is none, say which was tried and exit 1", host, port);
    gap(2, "send the name, as a line", sock, user);
    pthread_t thread;
    if (pthread_create(&thread, NULL, receive, NULL) != 0)
        return 1;

    char line[4097];
    while (fgets(line, sizeof line, stdin)) {
        if (send(sock, line, strlen(line), 0) < 0 || strcmp(line, "/quit\n") == 0)
            break;
    }
    return 0;
}
