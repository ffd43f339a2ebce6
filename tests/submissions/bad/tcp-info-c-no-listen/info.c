#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    int port = argc > 1 ? atoi(argv[1]) : 5001;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in me, peer;

    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    me.sin_port = htons(port);
    if (bind(fd, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("bind");
        return 1;
    }

    for (;;) {
        socklen_t len = sizeof peer;
        int c = accept(fd, (struct sockaddr *)&peer, &len);
        if (c < 0) {
            sleep(1);
            continue;
        }
        printf("client %s, port %d\n", inet_ntoa(peer.sin_addr), ntohs(peer.sin_port));
        close(c);
    }
}
