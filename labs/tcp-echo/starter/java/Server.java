import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;

/**
 * tcp-echo server: sends back every byte it receives.
 *
 * <pre>javac Server.java and java Server PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Server {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    /** One client, until it sends no more. */
    static void serve(Socket connection) throws IOException {
        InputStream in = connection.getInputStream();
        OutputStream out = connection.getOutputStream();
        byte[] buffer = new byte[4096];
        while (true) {
            int got = gap(3, "what the client has sent (read)", in, buffer);
            if (got < 0) {
                break; // -1: the client has sent FIN
            }
            gap(4, "send all of it back: got bytes, not the whole buffer", out, buffer, got);
        }
        gap(5, "close the connection", connection);
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: java Server PORT");
            System.exit(2);
        }
        int port = Integer.parseInt(args[0]);

        ServerSocket listener = gap(1, "a ServerSocket on the port: it binds and listens", port);
        System.out.println("listening on port " + port);

        while (true) {
            Socket connection = gap(2, "the next client (accept)", listener);
            try {
                serve(connection);
            } catch (IOException lost) {
                // One client's failure is not the server's end.
                System.out.println("lost a client: " + lost.getMessage());
            }
        }
    }
}
