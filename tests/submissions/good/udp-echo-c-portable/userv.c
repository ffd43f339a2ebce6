#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    static char buf[65536];
    struct sockaddr_in6 me = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    struct sockaddr_storage peer;
    int off = 0, s = socket(AF_INET6, SOCK_DGRAM, 0);

    me.sin6_port = htons(argc > 1 ? atoi(argv[1]) : 5004);
    setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(s, (struct sockaddr *)&me, sizeof me)) {
        perror("userv: bind");
        return 1;
    }
    for (;;) {
        socklen_t plen = sizeof peer;
        ssize_t n = recvfrom(s, buf, sizeof buf, 0, (struct sockaddr *)&peer, &plen);
        if (n >= 0 && sendto(s, buf, n, 0, (struct sockaddr *)&peer, plen) < 0)
            perror("userv: sendto");
    }
}
