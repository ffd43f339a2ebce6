#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *found;
    char line[1000], reply[1001];
    int fd;

    if (argc != 3 || getaddrinfo(argv[1], argv[2], &want, &found))
        return 2;
    fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (connect(fd, found->ai_addr, found->ai_addrlen)) {
        perror(argv[1]);
        return 1;
    }
    while (fputs("? ", stdout), fflush(stdout), fgets(line, sizeof line, stdin)) {
        size_t got = 0;
        write(fd, line, strlen(line));
        do {
            ssize_t n = read(fd, reply + got, sizeof reply - 1 - got);
            if (n <= 0) {
                printf("\nconnection closed\n");
                return 0;
            }
            got += n;
        } while (reply[got - 1] != '\n');
        reply[got] = '\0';
        printf("! %s", reply);
    }
    return 0;
}
