#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/socket.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = {0}, cli;
    socklen_t clilen;
    char ip[INET_ADDRSTRLEN], buf[256];
    int yes = 1, sock, conn;
    ssize_t n;

    if (argc < 2) {
        fprintf(stderr, "usage: %s port\n", argv[0]);
        return 2;
    }
    if ((sock = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("socket");
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    addr.sin_family = AF_INET;
    addr.sin_port = htons(atoi(argv[1]));
    addr.sin_addr.s_addr = INADDR_ANY;
    if (bind(sock, (struct sockaddr *)&addr, sizeof addr) < 0) die("bind");
    if (listen(sock, 10) < 0) die("listen");

    while (1) {
        clilen = sizeof cli;
        if ((conn = accept(sock, (struct sockaddr *)&cli, &clilen)) < 0) die("accept");
        inet_ntop(AF_INET, &cli.sin_addr, ip, sizeof ip);
        printf("IP address: %s\nPort number: %d\n", ip, ntohs(cli.sin_port));
        fflush(stdout);
        while ((n = recv(conn, buf, sizeof buf, 0)) > 0)
            ;
        if (n < 0) die("recv");
        close(conn);
    }
}
