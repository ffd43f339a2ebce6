#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int dial(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res, *ai;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &res))
        return -1;
    for (ai = res; ai; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(res);
    return fd;
}

int main(int argc, char **argv)
{
    char *message = malloc(4096), reply[4096];
    int fd = dial(argv[1], argv[2]);

    if (fd < 0) {
        fprintf(stderr, "client: cannot connect to %s:%s\n", argv[1], argv[2]);
        return 1;
    }
    printf("Message: ");
    fflush(stdout);
    if (!fgets(message, 4096, stdin))
        return 0;
    send(fd, message, sizeof(message), 0);
    shutdown(fd, SHUT_WR);
    ssize_t n;
    printf("Reply: ");
    while ((n = recv(fd, reply, sizeof(reply), 0)) > 0)
        fwrite(reply, 1, n, stdout);
    printf("\n");
    return 0;
}
