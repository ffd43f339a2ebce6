import java.io.IOException;
import java.io.PrintWriter;
import java.net.ServerSocket;
import java.net.Socket;

public class WhoIsThere {
    private final int port;

    WhoIsThere(int port) {
        this.port = port;
    }

    void run() throws IOException {
        try (ServerSocket door = new ServerSocket(port)) {
            System.out.println("Waiting on " + door.getLocalPort());
            Socket guest = door.accept();
            System.out.println("Guest: " + guest.getRemoteSocketAddress());
            while (true) {
                try {
                    PrintWriter out = new PrintWriter(guest.getOutputStream(), true);
                    out.println("you are " + guest.getInetAddress().getHostAddress() + " " + guest.getPort());
                    Thread.sleep(1000);
                } catch (IOException | InterruptedException e) {
                    System.out.println("lost that guest: " + e.getMessage());
                }
            }
        }
    }

    public static void main(String[] args) throws IOException {
        new WhoIsThere(args.length > 0 ? Integer.parseInt(args[0]) : 5001).run();
    }
}
