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

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int present, last_id;

static void *conversation(void *p)
{
    int fd = (int)(intptr_t)p, asked = 0;
    char buf[1025];
    ssize_t n;

    pthread_mutex_lock(&lock);
    present++;
    printf("client %d is here\n", ++last_id);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    while (!asked && (n = recv(fd, buf, 1024, 0)) > 0) {
        buf[n] = '\0';
        if ((asked = strstr(buf, "CLOSE SOCKET") != NULL))
            break;
        for (char *c = buf; *c; c++)
            *c = toupper((unsigned char)*c);
        send(fd, buf, n, 0);
    }
    close(fd);
    pthread_mutex_lock(&lock);
    if (--present == 0 && asked)
        exit(0);
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int on = 1, s = socket(AF_INET, SOCK_STREAM, 0);

    signal(SIGPIPE, SIG_IGN);
    a.sin_port = htons(atoi(argv[1]));
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 20))
        return 1;
    for (;;) {
        pthread_t t;
        int c = accept(s, NULL, NULL);
        if (c >= 0 && !pthread_create(&t, NULL, conversation, (void *)(intptr_t)c))
            pthread_detach(t);
    }
}
