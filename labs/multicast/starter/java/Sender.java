import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.MulticastSocket;
import java.nio.charset.StandardCharsets;

/**
 * multicast sender: sends each line that you type to a group.
 *
 * <pre>javac Sender.java and java Sender GROUP PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Sender {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Sender GROUP PORT");
            System.exit(2);
        }
        InetAddress group = InetAddress.getByName(args[0]);
        int port = Integer.parseInt(args[1]);

        MulticastSocket socket = gap(1, "a MulticastSocket whose datagrams stay on this network (time to live 1)");

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            byte[] message = line.getBytes(StandardCharsets.UTF_8);
            gap(2, "send the message to the group: one send, however many receive", socket, message, group, port);
        }
    }
}
