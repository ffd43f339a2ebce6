import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;

/**
 * mt-server: answers many clients at once, each on a thread of its own.
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

    /** Shared by all threads: only who holds the lock may touch the counter. */
    static final Object LOCK = new Object();
    static int clients = 0;

    /** A number for a new client, never given twice. */
    static int nextNumber() {
        return gap(3, "count up under the lock (synchronized), and return the number", LOCK, clients);
    }

    /** One client's thread. */
    static void serve(Socket connection) {
        int number = nextNumber();
        byte[] message = new byte[4096];
        try (connection) {
            InputStream in = connection.getInputStream();
            OutputStream out = connection.getOutputStream();
            while (true) {
                int got = gap(4, "the client's next message (read)", in, message);
                if (got < 0) {
                    break;
                }
                gap(5, "answer with 'client NUMBER: ' and the message", out, number, message, got);
            }
        } catch (IOException lost) {
            System.out.println("client " + number + " is lost: " + lost.getMessage());
        }
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
            gap(6, "start a thread that runs serve, and go on to the next accept", connection);
        }
    }
}
