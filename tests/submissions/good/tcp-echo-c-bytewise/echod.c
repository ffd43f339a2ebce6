#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int on = 1, listener, peer;
    char byte;
    struct sockaddr_in me = { .sin_family = AF_INET };

    signal(SIGPIPE, SIG_IGN);
    me.sin_port = htons(argc > 1 ? atoi(argv[1]) : 5003);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&me, sizeof me) || listen(listener, 16))
        return 1;
    while ((peer = accept(listener, NULL, NULL)) >= 0) {
        while (read(peer, &byte, 1) == 1)
            if (write(peer, &byte, 1) != 1)
                break;
        close(peer);
    }
    return 1;
}
