/* capitalize-server: answers each line in capitals, until CLOSE SOCKET.
 *
 *     gcc -Wall -pthread -o server server.c && ./server PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Stands where your code is missing. What it returns here, yours must give. */
static int gap(int number, const char *what, ...)
{
    fprintf(stderr, "gap %d is open: %s\n", number, what);
    exit(1);
}

/* A client, as it is handed to its thread. */
struct client {
    int connection;
    int id; /* counts on, never the same twice */
};

/* One client's thread: line by line. */
static void *serve(void *argument)
{
    struct client client = *(struct client *)argument;
    free(argument);
    FILE *lines = fdopen(dup(client.connection), "r"); /* fgets: a whole line, however many recvs it takes */
    char line[4096];
    while (lines && fgets(line, sizeof line, lines)) {
        if (gap(3, "does this line contain CLOSE SOCKET? (strstr)", line))
            break;
        gap(4, "send the line back in capitals (toupper)", client.connection, line);
    }
    if (lines)
        fclose(lines);
    gap(5, "close this client's connection, and no other", client.connection);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    int port = atoi(argv[1]), next_id = 1;
    signal(SIGPIPE, SIG_IGN); /* send to a client that is gone fails, and does not end us */

    int listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port);
    printf("listening on port %d\n", port);
    fflush(stdout);

    for (;;) {
        struct client *client = malloc(sizeof *client);
        client->connection = gap(2, "the next client (accept)", listener);
        client->id = next_id++;
        printf("client %d\n", client->id);
        fflush(stdout);
        pthread_t thread;
        gap(6, "start a detached thread that runs serve (pthread_create)", &thread, serve, client);
    }
}
