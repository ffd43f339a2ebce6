#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    int fd;
};

static void *work(void *p)
{
    struct client *c = p;
    char buf[1024];
    ssize_t n;

    while ((n = read(c->fd, buf, sizeof buf)) > 0)
        if (write(c->fd, buf, n) != n)
            break;
    close(c->fd);
    free(c);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    int on = 1, s = socket(AF_INET6, SOCK_STREAM, 0);

    signal(SIGPIPE, SIG_IGN);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    any.sin6_port = htons(atoi(argv[argc - 1]));
    if (bind(s, (struct sockaddr *)&any, sizeof any) || listen(s, 100))
        return 1;
    for (;;) {
        struct client *c = malloc(sizeof *c);
        pthread_t t;

        c->fd = accept(s, NULL, NULL);
        if (c->fd < 0 || pthread_create(&t, NULL, work, c)) {
            free(c);
            continue;
        }
        pthread_detach(t);
    }
}
