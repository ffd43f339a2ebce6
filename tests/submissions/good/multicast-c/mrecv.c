#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
    struct sockaddr_in here = { .sin_family = AF_INET }, from;
    struct ip_mreqn mreq;
    char text[1501];

    if (argc < 3)
        return 2;
    here.sin_port = htons(atoi(argv[2]));
    here.sin_addr.s_addr = inet_addr(argv[1]);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(s, (struct sockaddr *)&here, sizeof here)) {
        perror("bind");
        return 1;
    }
    memset(&mreq, 0, sizeof mreq);
    mreq.imr_multiaddr = here.sin_addr;
    if (setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof mreq)) {
        perror("IP_ADD_MEMBERSHIP");
        return 1;
    }
    for (;;) {
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s, text, sizeof text - 1, 0, (struct sockaddr *)&from, &len);
        if (n < 0)
            break;
        text[n] = '\0';
        printf("[%s:%d] %s\n", inet_ntoa(from.sin_addr), ntohs(from.sin_port), text);
    }
    return 0;
}
